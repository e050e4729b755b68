#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

double cpu_own(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double cpu_process(int pid)
{
    unsigned long long user, system;
    char path[64];

    if (pid == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    /* The name in parentheses may hold anything; fields 14 and 15 are wanted. */
    if (file == NULL || fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                               &system) != 2) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double cpu_machine(void)
{
    unsigned long long user, nice, system, idle, wait, irq, softirq;
    FILE *file = fopen("/proc/stat", "r");

    if (file == NULL || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait,
                               &irq, &softirq) != 7) {
        perror("loadgen: /proc/stat");
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}
