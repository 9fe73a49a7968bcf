/* A backend in C: `<file>.age`, sealed by the host to every recipient that the targets' configuration names. It never sees a
 * plaintext, and imports no WASI: the entry is a resource. What is included is generated from `world.wit` and the contract. */
#include <stdlib.h>
#include <string.h>

#include "in_c.h"

typedef in_c_string_t text;
typedef in_c_list_string_t texts;
typedef in_c_list_u8_t bytes;
typedef artifacts_backend_types_context_t context_t;
typedef artifacts_backend_types_instance_t instance_t;
typedef artifacts_backend_types_failure_t failure_t;
typedef artifacts_backend_entries_entry_error_t entry_error_t;
typedef exports_artifacts_backend_storage_borrow_entry_t entry_t;
typedef exports_artifacts_backend_storage_borrow_entry_writer_t writer_t;
typedef exports_artifacts_backend_storage_recipient_t recipient_t;
typedef exports_artifacts_backend_storage_list_recipient_t recipients_t;
typedef exports_artifacts_backend_storage_reason_t reason_t;
typedef exports_artifacts_backend_storage_list_reason_t reasons_t;
typedef exports_artifacts_backend_storage_serialize_error_t serialize_error_t;
typedef exports_artifacts_backend_retrieval_answer_t answer_t;

/* The manifest, in the component's custom section. */
__asm__(".section \".custom_section.artifacts-backend\",\"\",@\n.incbin \"manifest.json\"\n.text\n");

static void *more(void *old, size_t size) {
  void *grown = realloc(old, size ? size : 1);
  if (!grown) abort();
  return grown;
}

/* Three pieces in one. */
static text joined(const char *before, text middle, const char *after) {
  size_t first = strlen(before), last = strlen(after);
  text to = {more(NULL, first + middle.len + last), first + middle.len + last};
  memcpy(to.ptr, before, first);
  memcpy(to.ptr + first, middle.ptr, middle.len);
  memcpy(to.ptr + first + middle.len, after, last);
  return to;
}

static text copy(text from) { return joined("", from, ""); }

static text copied(const char *from) { return joined(from, (text){NULL, 0}, ""); }

static bool equal(text one, text other) { return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0; }

static bool fail(failure_t *failure, const char *kind, const char *message) {
  *failure = (failure_t){.kind = copied(kind), .message = copied(message)};
  return false;
}

static const char *reason_of(entry_error_t error) {
  switch (error) {
  case ARTIFACTS_BACKEND_ENTRIES_ENTRY_ERROR_NO_SUCH_FILE: return "a file is not there";
  case ARTIFACTS_BACKEND_ENTRIES_ENTRY_ERROR_INVALID_NAME: return "a file cannot have that name";
  case ARTIFACTS_BACKEND_ENTRIES_ENTRY_ERROR_FULL: return "the entry is full";
  default: return "a file cannot be read";
  }
}

/* The name of a declared file in the entry. */
static text stored(text file) { return joined("", file, ".age"); }

static bool knows(const recipients_t *all, text key) {
  for (size_t i = 0; i < all->len; i++)
    if (equal(all->ptr[i].key, key)) return true;
  return false;
}

/* Every JSON string that begins with `age1`, each once. Recipients have no character that JSON escapes. */
static recipients_t recipients(const instance_t *instance) {
  static const char mark[] = "\"age1";
  recipients_t all = {NULL, 0};
  for (size_t target = 0; target < instance->targets.len; target++) {
    const char *at = (const char *)instance->targets.ptr[target].config.ptr;
    const char *end = at + instance->targets.ptr[target].config.len;
    for (; end - at > (long)strlen(mark); at++) {
      if (memcmp(at, mark, strlen(mark)) != 0) continue;
      const char *close = memchr(at + 1, '"', end - at - 1);
      if (!close) break;
      text key = {(uint8_t *)at + 1, close - at - 1};
      if (!knows(&all, key)) {
        all.ptr = more(all.ptr, (all.len + 1) * sizeof *all.ptr);
        all.ptr[all.len++] = (recipient_t){.key = copy(key), .kind = EXPORTS_ARTIFACTS_BACKEND_STORAGE_KEY_KIND_X25519};
      }
      at = close;
    }
  }
  return all;
}

bool exports_artifacts_backend_storage_recipients(instance_t *instance, exports_artifacts_backend_storage_list_file_recipients_t *answer,
                                                  failure_t *failure) {
  recipients_t found = recipients(instance);
  bool anybody = found.len > 0 || instance->files.len == 0;
  exports_artifacts_backend_storage_list_recipient_free(&found);
  if (!anybody) fail(failure, "config", "no target names a recipient: set artifacts.config.in-c.recipients");
  else {
    answer->len = instance->files.len;
    answer->ptr = more(NULL, answer->len * sizeof *answer->ptr);
    for (size_t i = 0; i < answer->len; i++)
      answer->ptr[i] = (exports_artifacts_backend_storage_file_recipients_t){.file = copy(instance->files.ptr[i].name),
                                                                            .recipients = recipients(instance)};
  }
  artifacts_backend_types_instance_free(instance);
  return anybody;
}

static void add(reasons_t *reasons, text file, const char *what) {
  reasons->ptr = more(reasons->ptr, (reasons->len + 1) * sizeof *reasons->ptr);
  reasons->ptr[reasons->len++] =
      (reason_t){.kind = EXPORTS_ARTIFACTS_BACKEND_STORAGE_REASON_KIND_FILES, .message = joined("`", file, what)};
}

static bool is_declared(const instance_t *instance, text file) {
  for (size_t i = 0; i < instance->files.len; i++) {
    text name = stored(instance->files.ptr[i].name);
    bool same = equal(name, file);
    in_c_string_free(&name);
    if (same) return true;
  }
  return false;
}

static bool is_stored(const texts *names, text file) {
  for (size_t i = 0; i < names->len; i++)
    if (equal(names->ptr[i], file)) return true;
  return false;
}

static bool check(const instance_t *instance, entry_t entry, exports_artifacts_backend_storage_state_t *answer, failure_t *failure) {
  texts names;
  entry_error_t error;
  if (!artifacts_backend_entries_method_entry_names(entry, &names, &error)) return fail(failure, "internal", reason_of(error));
  reasons_t reasons = {NULL, 0};
  for (size_t i = 0; i < names.len; i++)
    if (!is_declared(instance, names.ptr[i])) add(&reasons, names.ptr[i], "` is there and not declared");
  for (size_t i = 0; i < instance->files.len; i++) {
    text name = stored(instance->files.ptr[i].name);
    if (!is_stored(&names, name)) add(&reasons, instance->files.ptr[i].name, "` is declared and not there");
    in_c_string_free(&name);
  }
  *answer = (exports_artifacts_backend_storage_state_t){.tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_STATE_PRESENT};
  if (names.len == 0 && instance->files.len > 0) answer->tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_STATE_ABSENT;
  else if (reasons.len > 0) {
    answer->tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_STATE_STALE;
    answer->val.stale = (exports_artifacts_backend_storage_stale_t){.first = reasons.ptr[0], .rest = {reasons.ptr + 1, reasons.len - 1}};
  }
  in_c_list_string_free(&names);
  return true;
}

/* A borrowed handle is given back before the call ends, or the host ends it. */
bool exports_artifacts_backend_storage_check(context_t *context, instance_t *instance, entry_t entry,
                                             exports_artifacts_backend_storage_state_t *answer, failure_t *failure) {
  (void)context;
  bool done = check(instance, entry, answer, failure);
  artifacts_backend_entries_entry_drop_borrow(entry);
  artifacts_backend_types_instance_free(instance);
  return done;
}

/* An instance of this component writes or reads once and is gone: from here on nothing is freed. */

static bool stop(serialize_error_t *failed, const char *message) {
  failed->tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_SERIALIZE_ERROR_FAILED;
  return fail(&failed->val.failed, "internal", message);
}

static bool serialize(const instance_t *instance, const exports_artifacts_backend_storage_list_item_t *items, writer_t entry,
                      serialize_error_t *failed) {
  entry_error_t error;
  for (size_t i = 0; i < items->len; i++) {
    texts files = {&items->ptr[i].name, 1};
    bytes sealed;
    failed->tag = EXPORTS_ARTIFACTS_BACKEND_STORAGE_SERIALIZE_ERROR_FAILED;
    if (!artifacts_backend_age_seal(&files, artifacts_backend_secrets_borrow_secret(items->ptr[i].value), ARTIFACTS_BACKEND_AGE_FORM_ARMORED,
                                    &sealed, &failed->val.failed))
      return false;
    text name = stored(items->ptr[i].name);
    if (!artifacts_backend_entries_method_entry_writer_write(entry, &name, &sealed, &error)) return stop(failed, reason_of(error));
  }
  texts names;
  if (!artifacts_backend_entries_method_entry_writer_names(entry, &names, &error)) return stop(failed, reason_of(error));
  for (size_t i = 0; i < names.len; i++)
    if (!is_declared(instance, names.ptr[i]) && !artifacts_backend_entries_method_entry_writer_remove(entry, &names.ptr[i], &error))
      return stop(failed, reason_of(error));
  return true;
}

bool exports_artifacts_backend_storage_serialize(context_t *context, instance_t *instance, exports_artifacts_backend_storage_list_item_t *items,
                                                 writer_t entry, serialize_error_t *failed) {
  (void)context;
  bool done = serialize(instance, items, entry, failed);
  artifacts_backend_entries_entry_writer_drop_borrow(entry);
  return done;
}

static answer_t answer_for(text file, entry_t entry) {
  answer_t answer = {.file = copy(file), .value = {.is_err = true}};
  artifacts_backend_types_open_error_t *failed = &answer.value.val.err;
  text name = stored(file);
  bytes sealed;
  entry_error_t error;
  failed->tag = ARTIFACTS_BACKEND_TYPES_OPEN_ERROR_FAILED;
  if (!artifacts_backend_entries_method_entry_read(entry, &name, 0, UINT64_MAX, &sealed, &error))
    fail(&failed->val.failed, "corrupt", reason_of(error));
  else {
    artifacts_backend_age_own_secret_t secret;
    artifacts_backend_types_open_error_t why;
    if (artifacts_backend_age_open(&sealed, &secret, &why)) {
      answer.value.is_err = false;
      answer.value.val.ok = secret;
    } else *failed = why;
  }
  return answer;
}

bool exports_artifacts_backend_retrieval_retrieve(context_t *context, texts *files, entry_t entry,
                                                  exports_artifacts_backend_retrieval_list_answer_t *answers, failure_t *failure) {
  (void)context, (void)failure;
  answers->len = files->len;
  answers->ptr = more(NULL, files->len * sizeof *answers->ptr);
  for (size_t i = 0; i < files->len; i++) answers->ptr[i] = answer_for(files->ptr[i], entry);
  artifacts_backend_entries_entry_drop_borrow(entry);
  return true;
}
