"""A reflector as one writes it with Scapy: sniff a frame, swap its addresses, send it."""

import sys

from scapy.all import ETH_P_ALL, Ether, conf, sniff  # type: ignore[import-not-found]


def main(interface: str) -> None:
    """Answer frames to our own address until killed."""
    link = conf.L2socket(iface=interface, type=ETH_P_ALL)
    own = link.ins.getsockname()[4].hex(":")

    def answer(frame: Ether) -> None:
        if frame.dst == own:
            frame.dst, frame.src = frame.src, own
            link.send(frame)

    sniff(opened_socket=link, prn=answer, store=False)


main(sys.argv[1])
