/* CPU time used so far, seconds. */
#ifndef CPU_H
#define CPU_H

double cpu_own(void);

/* Of a process with all its threads; 0 for process 0, the kernel. */
double cpu_process(int pid);

/* Of the whole machine: all that /proc/stat does not call idle, soft interrupts included. */
double cpu_machine(void);

#endif
