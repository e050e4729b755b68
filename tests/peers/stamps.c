/* What the C headers say of the structures and numbers of hardware time stamps: a name and a number a line. */

#include <stddef.h>
#include <stdio.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#define TELL(name, value) printf("%s %ld\n", name, (long)(value))
#define NUMBER(name) TELL(#name, name)
#define SIZE(type) TELL(#type, sizeof(struct type))
#define OFFSET(type, field) TELL(#field, offsetof(struct type, field))

int main(void)
{
	NUMBER(SIOCETHTOOL);
	NUMBER(SIOCSHWTSTAMP);
	NUMBER(SIOCGHWTSTAMP);
	NUMBER(ETHTOOL_GET_TS_INFO);
	NUMBER(HWTSTAMP_TX_OFF);
	NUMBER(HWTSTAMP_TX_ON);
	NUMBER(HWTSTAMP_FILTER_NONE);
	NUMBER(HWTSTAMP_FILTER_ALL);
	NUMBER(SOF_TIMESTAMPING_TX_HARDWARE);
	NUMBER(SOF_TIMESTAMPING_RX_HARDWARE);
	NUMBER(SOF_TIMESTAMPING_RAW_HARDWARE);
	NUMBER(SOF_TIMESTAMPING_OPT_TX_SWHW);
	SIZE(ifreq);
	OFFSET(ifreq, ifr_data);
	SIZE(ethtool_ts_info);
	OFFSET(ethtool_ts_info, cmd);
	OFFSET(ethtool_ts_info, so_timestamping);
	OFFSET(ethtool_ts_info, phc_index);
	OFFSET(ethtool_ts_info, tx_types);
	OFFSET(ethtool_ts_info, rx_filters);
	SIZE(hwtstamp_config);
	OFFSET(hwtstamp_config, flags);
	OFFSET(hwtstamp_config, tx_type);
	OFFSET(hwtstamp_config, rx_filter);
	OFFSET(scm_timestamping, ts[2]);
	return 0;
}
