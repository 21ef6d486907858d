"""Seeds torrents with libtorrent, for the bench and the demo: over TCP only, or over uTP too.

Started with the host to bind, the port to listen on (0: any), and optionally `utp` for uTP beside TCP, or `rc4` to take and
make encrypted connections alone. Speaks one JSON object a line: prints
{"port": N} once it listens, then obeys the lines of its standard input, each answered by one line:
  {"add": "x.torrent", "dir": "/content"}  seeds without checking          -> {"added": infohash}
  {"stats": true}                          what was sent to all peers      -> {"payload": bytes, "sent": bytes}
Ends when its standard input ends, so it never outlives the program that started it.
"""

import json
import sys
import time

import libtorrent as lt

host, port = sys.argv[1], int(sys.argv[2])
utp = sys.argv[3:] == ['utp']

PLAIN = {'in_enc_policy': 2, 'out_enc_policy': 2}
RC4 = {'in_enc_policy': 0, 'out_enc_policy': 0, 'allowed_enc_level': 2}

session = lt.session({
    'listen_interfaces': '%s:%d' % (host, port),
    'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': utp, 'enable_outgoing_utp': False,
    **(RC4 if sys.argv[3:] == ['rc4'] else PLAIN),
    'unchoke_slots_limit': -1, 'connections_limit': 2000, 'active_seeds': -1, 'active_limit': -1,
    'allow_multiple_connections_per_ip': True,
    # Room for a deep pipeline: whatever is measured, the seeder must not be what limits it.
    'send_buffer_watermark': 8 << 20, 'send_buffer_low_watermark': 1 << 20, 'send_buffer_watermark_factor': 400,
    'max_allowed_in_request_queue': 10000,
    'send_socket_buffer_size': 4 << 20, 'recv_socket_buffer_size': 1 << 20,
    'aio_threads': 4, 'hashing_threads': 1, 'file_pool_size': 100,
    'alert_mask': lt.alert.category_t.error_notification,
})

while session.listen_port() == 0:
    time.sleep(0.01)


def say(answer):
    print(json.dumps(answer), flush=True)


say({'port': session.listen_port()})

for line in sys.stdin:
    command = json.loads(line)
    if 'add' in command:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(command['add'], {'max_decoded_depth': 100, 'max_pieces': 4 << 20, 'max_buffer_size': 256 << 20})
        params.save_path = command['dir']
        params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        handle = session.add_torrent(params)
        deadline = time.monotonic() + 60
        while not handle.status().is_seeding and time.monotonic() < deadline:
            time.sleep(0.01)
        say({'added': str(handle.info_hash()), 'seeding': handle.status().is_seeding})
    else:
        status = session.status()
        say({'payload': status.total_payload_upload, 'sent': status.total_upload})
