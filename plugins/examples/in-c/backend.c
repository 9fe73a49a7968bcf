/* A backend in C: `<file>.age`, sealed by the host to every recipient that the targets' configuration names. It never sees a
 * plaintext. What is included is generated from the contract. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend_with_retrieval.h"

typedef backend_with_retrieval_string_t text;
typedef backend_with_retrieval_list_string_t texts;
typedef backend_with_retrieval_list_u8_t bytes;
typedef artifacts_backend_types_instance_t instance_t;
typedef artifacts_backend_types_failure_t failure_t;

/* The manifest, in the component's custom section. */
__asm__(".section \".custom_section.artifacts-backend\",\"\",@\n.incbin \"manifest.json\"\n.text\n");

static void *more(void *old, size_t size) {
  void *grown = realloc(old, size ? size : 1);
  if (!grown) abort();
  return grown;
}

static text copy(const char *from, size_t length) {
  text to = {more(NULL, length), length};
  memcpy(to.ptr, from, length);
  return to;
}

static text copied(const char *from) { return copy(from, strlen(from)); }

static bool fail(failure_t *failure, const char *kind, const char *message) {
  *failure = (failure_t){copied(kind), copied(message), {false, {NULL, 0}}};
  return false;
}

static int compare(const void *a, const void *b) {
  const text *x = a, *y = b;
  int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Every JSON string that begins with `age1`, sorted, each once. Recipients have no character that JSON escapes. */
static texts recipients(const instance_t *instance) {
  static const char mark[] = "\"age1";
  texts all = {NULL, 0};
  for (size_t target = 0; target < instance->targets.len; target++) {
    const char *at = (const char *)instance->targets.ptr[target].config.ptr;
    const char *end = at + instance->targets.ptr[target].config.len;
    for (; end - at > (long)strlen(mark); at++) {
      if (memcmp(at, mark, strlen(mark)) != 0) continue;
      const char *close = memchr(at + 1, '"', end - at - 1);
      if (!close) break;
      all.ptr = more(all.ptr, (all.len + 1) * sizeof *all.ptr);
      all.ptr[all.len++] = copy(at + 1, close - at - 1);
      at = close;
    }
  }
  if (all.len == 0) return all;
  qsort(all.ptr, all.len, sizeof *all.ptr, compare);
  size_t kept = 1;
  for (size_t i = 1; i < all.len; i++) {
    if (compare(&all.ptr[i], &all.ptr[kept - 1]) == 0) backend_with_retrieval_string_free(&all.ptr[i]);
    else all.ptr[kept++] = all.ptr[i];
  }
  all.len = kept;
  return all;
}

/* `/slice/<name>.age`, to be freed. */
static char *path(text name) {
  char *made = more(NULL, name.len + sizeof "/slice/.age");
  sprintf(made, "/slice/%.*s.age", (int)name.len, (const char *)name.ptr);
  return made;
}

static FILE *stored(text name, const char *mode) {
  char *file = path(name);
  FILE *opened = fopen(file, mode);
  free(file);
  return opened;
}

static bool declared(const instance_t *instance, const char *file) {
  for (size_t i = 0; i < instance->files.len; i++) {
    text name = instance->files.ptr[i].name;
    if (strlen(file) == name.len + 4 && memcmp(file, name.ptr, name.len) == 0 && strcmp(file + name.len, ".age") == 0) return true;
  }
  return false;
}

/* Calls `each` for what lies in the slice and is not declared; gives how many files lie there, or -1. */
static int others(const instance_t *instance, void (*each)(const char *file, void *with), void *with) {
  DIR *slice = opendir("/slice");
  if (!slice) return -1;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(slice));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    count++;
    if (!declared(instance, entry->d_name)) each(entry->d_name, with);
  }
  closedir(slice);
  return count;
}

bool exports_artifacts_backend_storage_readers(instance_t *instance, backend_with_retrieval_list_tuple2_string_list_string_t *answer,
                                               failure_t *failure) {
  texts found = recipients(instance);
  bool anybody = found.len > 0 || instance->files.len == 0;
  backend_with_retrieval_list_string_free(&found);
  if (!anybody) fail(failure, "config", "no target names a recipient: set artifacts.config.in-c.recipients");
  else {
    answer->len = instance->files.len;
    answer->ptr = more(NULL, answer->len * sizeof *answer->ptr);
    for (size_t i = 0; i < answer->len; i++) {
      text name = instance->files.ptr[i].name;
      answer->ptr[i].f0 = copy((const char *)name.ptr, name.len);
      answer->ptr[i].f1 = recipients(instance);
    }
  }
  artifacts_backend_types_instance_free(instance);
  return anybody;
}

static void add(backend_with_retrieval_list_tuple2_string_string_t *reasons, const char *what, const char *file, size_t length) {
  char *sentence = more(NULL, strlen(what) + length + 4);
  int size = sprintf(sentence, "`%.*s` %s", (int)length, file, what);
  reasons->ptr = more(reasons->ptr, (reasons->len + 1) * sizeof *reasons->ptr);
  reasons->ptr[reasons->len++] = (backend_with_retrieval_tuple2_string_string_t){copied("files"), {(uint8_t *)sentence, size}};
}

static void extra(const char *file, void *reasons) { add(reasons, "is there and not declared", file, strlen(file)); }

bool exports_artifacts_backend_storage_check(instance_t *instance, exports_artifacts_backend_storage_state_t *answer, failure_t *failure) {
  backend_with_retrieval_list_tuple2_string_string_t reasons = {NULL, 0};
  int count = others(instance, extra, &reasons);
  for (size_t i = 0; count > 0 && i < instance->files.len; i++) {
    text name = instance->files.ptr[i].name;
    FILE *file = stored(name, "rb");
    if (file) fclose(file);
    else add(&reasons, "is declared and not there", (const char *)name.ptr, name.len);
  }
  if (count == 0 && instance->files.len > 0) answer->tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_STATE_ABSENT;
  else if (reasons.len == 0) answer->tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_STATE_PRESENT;
  else *answer = (exports_artifacts_backend_storage_state_t){EXPORTS_ARTIFACTS_BACKEND_STORAGE_STATE_STALE, {reasons}};
  artifacts_backend_types_instance_free(instance);
  return count >= 0 || fail(failure, "internal", "the slice cannot be listed");
}

static bool store(const artifacts_backend_secrets_item_t *item, texts *to, failure_t *failure) {
  bytes sealed;
  if (!artifacts_backend_age_seal(artifacts_backend_secrets_borrow_secret(item->value), to, true, &sealed, failure)) return false;
  FILE *file = stored(item->name, "wb");
  bool whole = file && fwrite(sealed.ptr, 1, sealed.len, file) == sealed.len;
  if (file) whole = fclose(file) == 0 && whole;
  backend_with_retrieval_list_u8_free(&sealed);
  return whole || fail(failure, "internal", "a file cannot be written");
}

/* Names are gathered first: a folder is not changed while it is listed. */
static void gather(const char *file, void *names) {
  texts *all = names;
  all->ptr = more(all->ptr, (all->len + 1) * sizeof *all->ptr);
  all->ptr[all->len].len = asprintf((char **)&all->ptr[all->len].ptr, "/slice/%s", file);
  all->len++;
}

bool exports_artifacts_backend_storage_serialize(instance_t *instance, exports_artifacts_backend_storage_list_item_t *items, failure_t *failure) {
  texts to = recipients(instance), old = {NULL, 0};
  for (size_t i = 0; i < items->len; i++)
    if (!store(&items->ptr[i], &to, failure)) return false;
  if (others(instance, gather, &old) < 0) return fail(failure, "internal", "the slice cannot be listed");
  for (size_t i = 0; i < old.len; i++)
    if (remove((const char *)old.ptr[i].ptr) != 0) return fail(failure, "internal", "an old file cannot be removed");
  return true;
}

static bool load(text name, bytes *all, failure_t *failure) {
  FILE *file = stored(name, "rb");
  if (!file) return fail(failure, errno == ENOENT ? "corrupt" : "internal", "a file is not there, or cannot be read");
  *all = (bytes){NULL, 0};
  for (size_t got = 1; got > 0; all->len += got) {
    all->ptr = more(all->ptr, all->len + 4096);
    got = fread(all->ptr + all->len, 1, 4096, file);
  }
  bool whole = !ferror(file);
  fclose(file);
  return whole || fail(failure, "internal", "a file cannot be read");
}

bool exports_artifacts_backend_retrieval_retrieve(instance_t *instance, texts *names, exports_artifacts_backend_retrieval_list_item_t *answer,
                                                  failure_t *failure) {
  (void)instance;
  answer->len = names->len;
  answer->ptr = more(NULL, names->len * sizeof *answer->ptr);
  for (size_t i = 0; i < names->len; i++) {
    text name = names->ptr[i];
    bytes file;
    answer->ptr[i].name = copy((const char *)name.ptr, name.len);
    if (!load(name, &file, failure) || !artifacts_backend_age_open(&file, &answer->ptr[i].value, failure)) return false;
    backend_with_retrieval_list_u8_free(&file);
  }
  return true;
}
