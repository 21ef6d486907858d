"""Many libtorrent sessions that are nothing but DHT nodes: a JSON object a line in, one JSON object a line out.

Started with one argument, a JSON object: {"listen": ["10.0.0.2:7000", ...], "bootstrap": "10.0.0.2:7000"}. Prints {"ready": true},
then answers {"op": "nodes"} with how many nodes each knows, and {"op": "peers", "infohash": HEX} with the peers that the first of
them finds in the DHT. Ends when its standard input ends.
"""

import json
import os
import select
import sys
import time

import libtorrent as lt

arguments = json.loads(sys.argv[1])

SETTINGS = {
    'enable_dht': True, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': False, 'enable_outgoing_utp': False,
    'dht_bootstrap_nodes': arguments['bootstrap'],
    # In a network of test addresses every node looks like the same attacker.
    'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False, 'dht_prefer_verified_node_ids': False,
    'dht_ignore_dark_internet': False, 'dht_block_ratelimit': 100000, 'dht_upload_rate_limit': 10000000,
    'alert_mask': lt.alert_category.dht_operation | lt.alert_category.error,
    'alert_queue_size': 10000,
}

sessions = []
for listen in arguments['listen']:
    settings = dict(SETTINGS)
    settings['listen_interfaces'] = listen
    sessions.append(lt.session(settings))


def nodes():
    return [session.status().dht_nodes for session in sessions]


def peers(infohash):
    found = set()
    sessions[0].dht_get_peers(lt.sha1_hash(bytes.fromhex(infohash)))
    deadline = time.time() + 3
    while time.time() < deadline and not found:
        sessions[0].wait_for_alert(200)
        for alert in sessions[0].pop_alerts():
            if isinstance(alert, lt.dht_get_peers_reply_alert) and str(alert.info_hash) == infohash:
                found.update('%s:%d' % peer for peer in alert.peers())
    return sorted(found)


def say(answer):
    sys.stdout.write(json.dumps(answer) + '\n')
    sys.stdout.flush()


deadline = time.time() + 20
while time.time() < deadline and not all(session.is_dht_running() and session.is_listening() for session in sessions):
    time.sleep(0.05)
# Who is only named as a router stays out of tables, and a router that knows nobody helps nobody.
def split(address):
    host, port = address.rsplit(':', 1)
    return host.strip('[]'), int(port)


for index, session in enumerate(sessions):
    for step in (1, 2, 5):
        session.add_dht_node(split(arguments['listen'][(index + step) % len(sessions)]))
say({'ready': True})
waiting = b''
while True:
    readable, _, _ = select.select([0], [], [], 0.5)
    for session in sessions:
        session.pop_alerts()
    if not readable:
        continue
    part = os.read(0, 1 << 16)
    if not part:
        break
    waiting += part
    while b'\n' in waiting:
        line, waiting = waiting.split(b'\n', 1)
        message = json.loads(line)
        say({'nodes': nodes()} if message['op'] == 'nodes' else {'peers': peers(message['infohash'])})
os._exit(0)
