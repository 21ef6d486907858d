"""One libtorrent session that a test drives: a JSON object a line in, one JSON object a line out.

Started with one argument, a JSON object: {"listen": "10.0.0.2:6881", "settings": {...}}. Prints {"ready": true, "port": N},
then answers each line {"id": N, "op": NAME, ...} with {"id": N, ...} or {"id": N, "error": TEXT}. Unasked lines carry no id.
Ends when its standard input ends, so it never outlives the test.
"""

import collections
import json
import os
import select
import sys
import time

import libtorrent as lt

arguments = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}

QUIET = {
    'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': False, 'enable_outgoing_utp': False,
    'allow_multiple_connections_per_ip': True,
    'min_reconnect_time': 1, 'connection_speed': 100, 'torrent_connect_boost': 100,
    'min_announce_interval': 5, 'stop_tracker_timeout': 1,
    'close_redundant_connections': False,
    'alert_queue_size': 200000,
}


class Peer:
    def __init__(self):
        settings = dict(QUIET)
        settings['listen_interfaces'] = arguments.get('listen', '')
        settings['alert_mask'] = (
            lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
            | lt.alert.category_t.tracker_notification | lt.alert.category_t.peer_notification
            | lt.alert.category_t.connect_notification | lt.alert_category.upload
            | lt.alert.category_t.storage_notification
        )
        settings.update(arguments.get('settings', {}))
        self.session = lt.session(settings)
        self.handles = {}
        self.uploaded = collections.defaultdict(collections.Counter)   # infohash -> (piece, block) -> times
        self.log = collections.deque(maxlen=400)

    def drain(self):
        for alert in self.session.pop_alerts():
            if isinstance(alert, lt.block_uploaded_alert):
                infohash = str(alert.handle.info_hash())
                self.uploaded[infohash][(int(alert.piece_index), int(alert.block_index))] += 1
            else:
                self.log.append(f'{time.time():.3f} {alert.what()}: {alert.message()}')

    def op_add(self, m):
        """Seeds or downloads: `torrent` (a file) or `magnet`, into `folder`. `seed` true trusts the data unseen, `idle` wants none."""
        if 'magnet' in m:
            params = lt.parse_magnet_uri(m['magnet'])
        else:
            params = lt.add_torrent_params()
            params.ti = lt.torrent_info(m['torrent'])
        params.save_path = m['folder']
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        if m.get('seed'):
            params.flags |= lt.torrent_flags.seed_mode
        if m.get('superSeed'):
            params.flags |= lt.torrent_flags.super_seeding
        if 'trackers' in m:
            params.trackers = m['trackers']
            if 'torrent' in m:
                params.flags |= lt.torrent_flags.override_trackers
        if m.get('uploadLimit'):
            params.upload_limit = m['uploadLimit']
        if m.get('downloadLimit'):
            params.download_limit = m['downloadLimit']
        handle = self.session.add_torrent(params)
        if m.get('idle'):
            handle.prioritize_files([0] * params.ti.num_files())
        for host, port in m.get('peers', []):
            handle.connect_peer((host, port))
        infohash = str(handle.info_hash())
        self.handles[infohash] = handle
        return {'infohash': infohash}

    def op_connect(self, m):
        self.handles[m['infohash']].connect_peer((m['host'], m['port']))
        return {}

    def op_status(self, m):
        handle = self.handles[m['infohash']]
        s = handle.status()
        return {
            'state': str(s.state), 'progress': s.progress, 'seeding': s.is_seeding, 'metadata': s.has_metadata,
            'payloadUpload': s.total_payload_upload, 'payloadDownload': s.total_payload_download,
            'wasted': s.total_failed_bytes + s.total_redundant_bytes,
            'uploadRate': s.upload_payload_rate, 'downloadRate': s.download_payload_rate,
            'peers': s.num_peers, 'done': s.total_done, 'error': s.errc.message() if s.errc.value() else '',
        }

    def op_peers(self, m):
        return {'peers': [
            {'address': '%s:%d' % p.ip, 'client': p.client.decode('utf8', 'replace'), 'flags': int(p.flags), 'progress': p.progress,
             'payloadUpload': p.total_upload, 'payloadDownload': p.total_download}
            for p in self.handles[m['infohash']].get_peer_info()]}

    def op_uploaded(self, m):
        """How often each block was sent, as [[piece, block, times], ...]; `reset` starts anew."""
        counts = self.uploaded[m['infohash']]
        answer = [[piece, block, times] for (piece, block), times in counts.items()]
        if m.get('reset'):
            counts.clear()
        return {'blocks': answer}

    def op_limit(self, m):
        handle = self.handles[m['infohash']]
        if 'upload' in m:
            handle.set_upload_limit(m['upload'])
        if 'download' in m:
            handle.set_download_limit(m['download'])
        return {}

    def op_settings(self, m):
        self.session.apply_settings(m['settings'])
        return {}

    def op_pause(self, m):
        self.handles[m['infohash']].pause()
        return {}

    def op_resume(self, m):
        self.handles[m['infohash']].resume()
        return {}

    def op_announce(self, m):
        self.handles[m['infohash']].force_reannounce(0)
        return {}

    def op_dhtAnnounce(self, m):
        self.handles[m['infohash']].force_dht_announce()
        return {}

    def op_remove(self, m):
        self.session.remove_torrent(self.handles.pop(m['infohash']))
        return {}

    def op_log(self, m):
        return {'log': list(self.log)}

    def op_make(self, m):
        """Makes a torrent of `files` (in this order) below `source`."""
        storage = lt.file_storage()
        source, name = m['source'], m['name']
        for path in m['files']:
            full = os.path.join(source, name, *path)
            storage.add_file('/'.join([name] + path), os.path.getsize(full))
        flags = int(lt.create_torrent.v1_only) if not m.get('hybrid') else 0
        if m.get('pads'):
            flags |= int(lt.create_torrent.canonical_files)
        torrent = lt.create_torrent(storage, m.get('pieceLength', 0), flags)
        for tier, tracker in enumerate(m.get('trackers', [])):
            torrent.add_tracker(tracker, tier)
        if m.get('private'):
            torrent.set_priv(True)
        torrent.set_creator('test')
        lt.set_piece_hashes(torrent, source)
        with open(m['out'], 'wb') as out:
            out.write(lt.bencode(torrent.generate()))
        return self.op_describe({'torrent': m['out']})

    def op_describe(self, m):
        """What a torrent file holds, pads included."""
        info = lt.torrent_info(m['torrent'])
        files = info.files()
        return {
            'infohash': str(info.info_hashes().v1) if hasattr(info, 'info_hashes') else str(info.info_hash()),
            'name': info.name(), 'length': info.total_size(),
            'pieceLength': info.piece_length(), 'pieceCount': info.num_pieces(),
            'files': [{
                'path': files.file_path(i).split('/'), 'offset': files.file_offset(i), 'length': files.file_size(i),
                'pad': bool(files.file_flags(i) & lt.file_flags_t.flag_pad_file),
            } for i in range(files.num_files())],
        }


def main():
    peer = Peer()
    if arguments.get('listen'):
        deadline = time.time() + 10
        while not peer.session.is_listening() and time.time() < deadline:
            peer.session.wait_for_alert(100)
            peer.drain()
    say({'ready': True, 'port': peer.session.listen_port()})
    waiting = b''
    while True:
        readable, _, _ = select.select([0], [], [], 0.1)
        peer.drain()
        if not readable:
            continue
        part = os.read(0, 1 << 16)
        if not part:
            return
        waiting += part
        while b'\n' in waiting:
            line, waiting = waiting.split(b'\n', 1)
            message = json.loads(line)
            try:
                answer = getattr(peer, 'op_' + message['op'])(message)
            except Exception as error:
                answer = {'error': f'{type(error).__name__}: {error}'}
            answer['id'] = message.get('id')
            say(answer)


def say(answer):
    sys.stdout.write(json.dumps(answer) + '\n')
    sys.stdout.flush()


main()
# The session's own shutdown would wait for trackers that may be gone: the test has all it wants.
os._exit(0)
