/*
 * What C and libfuse 3 make of the same task: a folder served read-only with the answers our own session gives. The
 * yardstick of the bench, compiled by it.
 *
 *   reference FOLDER MOUNTPOINT
 *
 * Names and attributes are read once at the start; contents are read with pread into a buffer, or spliced when the
 * environment has REFERENCE_SPLICE. Runs in the foreground with libfuse's own threads until it is unmounted.
 */
#define FUSE_USE_VERSION 34
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_SECONDS 86400.0
#define BACKGROUND 65535

struct node {
  char *name;
  char *path;
  fuse_ino_t parent;
  struct stat st;
  struct node *next_in_bucket;
};

/* Node n has the number n + 1; the root is the first. A folder's children follow each other. */
static struct node *nodes;
static size_t count, room;
static struct node **buckets;
static size_t bucket_count = 1;
static int splice_replies;

static struct node *node_of(fuse_ino_t ino) { return &nodes[ino - 1]; }

static size_t hash_of(fuse_ino_t parent, const char *name) {
  size_t h = parent * 2654435761u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
  return h & (bucket_count - 1);
}

static void add(const char *path, const char *name, fuse_ino_t parent) {
  if (count == room) {
    room = room ? room * 2 : 1024;
    nodes = realloc(nodes, room * sizeof *nodes);
  }
  struct node *n = &nodes[count];
  n->path = strdup(path);
  n->name = strdup(name);
  n->parent = parent;
  if (stat(path, &n->st)) exit(2);
  n->st.st_ino = ++count;
  n->st.st_mode = S_ISDIR(n->st.st_mode) ? S_IFDIR | 0555 : S_IFREG | 0444;
}

static void scan(void) {
  for (size_t i = 0; i < count; i++) {
    if (!S_ISDIR(nodes[i].st.st_mode)) continue;
    DIR *folder = opendir(nodes[i].path);
    if (!folder) continue;
    for (struct dirent *e; (e = readdir(folder));) {
      char path[4096];
      if (e->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", nodes[i].path, e->d_name);
      add(path, e->d_name, i + 1);
    }
    closedir(folder);
  }
  while (bucket_count < count * 2) bucket_count *= 2;
  buckets = calloc(bucket_count, sizeof *buckets);
  for (size_t i = 1; i < count; i++) {
    size_t h = hash_of(nodes[i].parent, nodes[i].name);
    nodes[i].next_in_bucket = buckets[h];
    buckets[h] = &nodes[i];
  }
}

static void entry_of(struct node *n, struct fuse_entry_param *e) {
  memset(e, 0, sizeof *e);
  e->ino = n->st.st_ino;
  e->attr = n->st;
  e->attr_timeout = e->entry_timeout = KEPT_SECONDS;
}

static void do_init(void *data, struct fuse_conn_info *conn) {
  (void)data;
  conn->max_background = conn->congestion_threshold = BACKGROUND;
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param e;
  for (struct node *n = buckets[hash_of(parent, name)]; n; n = n->next_in_bucket) {
    if (n->parent != parent || strcmp(n->name, name)) continue;
    entry_of(n, &e);
    fuse_reply_entry(req, &e);
    return;
  }
  fuse_reply_err(req, ENOENT);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)fi;
  fuse_reply_attr(req, &node_of(ino)->st, KEPT_SECONDS);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  fi->fh = open(node_of(ino)->path, O_RDONLY | O_CLOEXEC);
  fi->keep_cache = 1;
  fuse_reply_open(req, fi);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  close(fi->fh);
  fuse_reply_err(req, 0);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
  (void)ino;
  if (splice_replies) {
    struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);
    buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    buf.buf[0].fd = fi->fh;
    buf.buf[0].pos = off;
    fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
    return;
  }
  static __thread char *memory;
  if (!memory) memory = aligned_alloc(4096, 1 << 20);
  ssize_t got = pread(fi->fh, memory, size, off);
  if (got < 0) fuse_reply_err(req, errno);
  else fuse_reply_buf(req, memory, got);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, int plus) {
  char *memory = malloc(size);
  size_t used = 0;
  for (size_t i = off; i < count; i++) {
    if (nodes[i].parent != ino) continue;
    struct fuse_entry_param e;
    entry_of(&nodes[i], &e);
    size_t need = plus ? fuse_add_direntry_plus(req, memory + used, size - used, nodes[i].name, &e, i + 1)
                       : fuse_add_direntry(req, memory + used, size - used, nodes[i].name, &e.attr, i + 1);
    if (need > size - used) break;
    used += need;
  }
  fuse_reply_buf(req, memory, used);
  free(memory);
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
  (void)fi;
  list(req, ino, size, off, 0);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
  (void)fi;
  list(req, ino, size, off, 1);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino) {
  (void)ino;
  struct statvfs s = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255, .f_files = count};
  fuse_reply_statfs(req, &s);
}

static const struct fuse_lowlevel_ops operations = {
    .init = do_init,
    .lookup = do_lookup,
    .getattr = do_getattr,
    .open = do_open,
    .read = do_read,
    .release = do_release,
    .readdir = do_readdir,
    .readdirplus = do_readdirplus,
    .statfs = do_statfs,
};

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  splice_replies = getenv("REFERENCE_SPLICE") != NULL;
  add(argv[1], "", 0);
  scan();
  char *words[] = {argv[0], "-oro,fsname=reference,default_permissions", NULL};
  struct fuse_args args = FUSE_ARGS_INIT(2, words);
  struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, NULL);
  if (!session || fuse_session_mount(session, argv[2])) return 1;
  struct fuse_loop_config config = {.clone_fd = 0, .max_idle_threads = 10};
  int result = fuse_session_loop_mt(session, &config);
  fuse_session_unmount(session);
  return result != 0;
}
