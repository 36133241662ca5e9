"""The figures of hosp.rt.v1: how long is waited for whom, and how much is sent ahead."""

import msgspec

from app.edge.buckets import Rate


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """One set for a hub and its sockets; tests take shorter times."""

    hello_s: float = 5.0
    send_s: float = 10.0  # a socket that takes no frame for so long is not read
    progress_s: float = 30.0  # a full window that is not acknowledged for so long: the same
    heartbeat_s: float = 15.0  # at the latest: a login that ended closes its socket within this time
    jitter_s: float = 4.0  # how much earlier it may come, so that not all come at once
    pongs_missed_max: int = 2
    watch_s: float = 1.0  # how often the hub looks for the stuck and at itself
    poll_s: float = 0.5
    live_s: float = 4.0  # /readyz asks: without a good look for so long we are not ready
    silent_s: float = 10.0  # sockets are closed then, so that their owners notice and go elsewhere
    presence_s: float = 5.0
    picture_s: float = 1.0  # newcomers of one stream share a snapshot for so long
    window_max: int = 64
    streams_max: int = 16
    sockets_max: int = 6000
    sockets_each_address_max: int = 64  # times the factor of its network: app/edge/limits.py
    sockets_each_actor_max: int = 32  # a family's phones, a doctor's windows
    # An acknowledgement per event, so a whole resumption fits; more is read later, not refused.
    frames: Rate = Rate(per_minute=12_000, burst=2_000)
    resume_max: int = 1000
    retry_ms_max: int = 30_000


LIMITS = Limits()
