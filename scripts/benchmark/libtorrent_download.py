"""Downloads one torrent from one peer with libtorrent as fast as it can, and prints what it took as JSON.

Arguments: torrent file, folder to write to, host:port of the peer (or `webseed`: what the torrent names), and optionally `defaults` to leave
libtorrent's settings of speed as they come, `utp` to connect by uTP alone, or `rc4` to make encrypted connections alone.
The clock of `seconds` starts when the peer
is connected (the delay of libtorrent's first connection attempt is told apart, as `connect`) and stops when
every piece is checked and handed to the file system.
"""

import json
import resource
import sys
import time

import libtorrent as lt

torrent, folder, peer = sys.argv[1:4]
host, port = peer.rsplit(':', 1) if peer != 'webseed' else (None, 0)

settings = {
    'listen_interfaces': '0.0.0.0:0',
    'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': False, 'enable_outgoing_utp': False,
    'in_enc_policy': 2, 'out_enc_policy': 2,
    'alert_mask': lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
    | lt.alert.category_t.connect_notification | lt.alert.category_t.storage_notification,
}
fast = {
    'max_out_request_queue': 2000, 'request_queue_time': 5, 'max_queued_disk_bytes': 64 << 20,
    'recv_socket_buffer_size': 4 << 20, 'send_socket_buffer_size': 1 << 20, 'max_peer_recv_buffer_size': 8 << 20,
    'aio_threads': 4, 'hashing_threads': 2, 'connection_speed': 500,
}
if sys.argv[4:] == ['utp']:
    fast.update({'enable_outgoing_utp': True, 'enable_outgoing_tcp': False})
if sys.argv[4:] == ['rc4']:
    fast.update({'in_enc_policy': 0, 'out_enc_policy': 0, 'allowed_enc_level': 2})
session = lt.session(settings if sys.argv[4:] == ['defaults'] else {**settings, **fast})

params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = folder
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if host is not None:
    params.peers = [(host, int(port))]
added = time.monotonic()
cpu_before = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
handle = session.add_torrent(params)
if host is not None:
    handle.connect_peer((host, int(port)))

connected = finished = None
deadline = added + 600
while finished is None and time.monotonic() < deadline:
    session.wait_for_alert(500)
    now = time.monotonic()
    for alert in session.pop_alerts():
        if isinstance(alert, lt.peer_connect_alert) and connected is None:
            connected = now
        elif isinstance(alert, lt.torrent_finished_alert):
            finished = now
        elif isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
            print(json.dumps({'error': alert.message()}))
            sys.exit(1)
if finished is None:
    print(json.dumps({'error': 'not finished in 600 s'}))
    sys.exit(1)

cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - cpu_before
peak = 0
with open('/proc/self/status') as status:
    for line in status:
        if line.startswith(('VmHWM', 'RssAnon')):
            peak = max(peak, int(line.split()[1]) * 1024) if line.startswith('VmHWM') else peak
print(json.dumps({
    'seconds': finished - (connected or added), 'connect': (connected or added) - added,
    'cpuSeconds': cpu, 'peakRss': peak, 'bytes': handle.status().total_payload_download,
}))
