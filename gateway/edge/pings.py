"""pings: how our gRPC servers take a peer that asks "are you there?" while nothing else is said.

gRPC by default allows one such ping in 5 minutes; after three that came sooner it hangs up with GOAWAY
`too_many_pings` (gRFC A8). Ours are pinged more often on purpose, because a peer that vanished must be missed: Envoys
ping every 30 s (`gateway.envoy.bootstrap`), agents and wardens every 10 s, and a mesh may be quiet for hours.
"""

TOLERANT = [
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, and not shared with whoever took it
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]
"""What every server of ours has. Who pings more often than every 5 s is still cut off.

gRPC ignores options that it does not know, without a word. The C macro of this one is called …MIN_RECV_PING_INTERVAL…,
its text is not: what counts is what tests/contract/warden/test_pings.py sees.
"""
