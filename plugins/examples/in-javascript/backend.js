// One armored age file per secret, `<name>.age`. It needs no WASI: the entry is a resource, and the host encrypts.

import { open, seal } from 'artifacts:backend/age@0.2.0';

const KINDS = [
  ['ssh-ed25519 ', 'ssh-ed25519'],
  ['ssh-rsa ', 'ssh-rsa'],
  ['age1tagpq1', 'tagpq'],
  ['age1tag1', 'tag'],
  ['age1pq1', 'pq'],
];

const failure = (kind, message) => ({ kind, message, hint: undefined, attrs: [] });

function kindOf(key) {
  const known = KINDS.find(([prefix]) => key.startsWith(prefix));
  // After `age1` an X25519 key has no other `1`, and that of a plugin has.
  return known ? known[1] : key.slice(4).includes('1') ? 'plugin' : 'x25519';
}

// `artifacts.config.in-javascript` of one target. A field that is not known is an error.
function recipientsOf(target) {
  let config;
  try {
    config = JSON.parse(target.config);
  } catch (error) {
    throw failure('config', `${target.id.name}: ${error.message}`);
  }
  const { recipients, ...unknown } = config;
  const isKeys = Array.isArray(recipients) && recipients.length > 0 && recipients.every((key) => typeof key === 'string');
  if (!isKeys || Object.keys(unknown).length > 0) {
    throw failure('config', `${target.id.name}: expected \`recipients\` alone, a list of keys`);
  }
  return recipients;
}

const storedAs = (name) => `${name}.age`;
const declaredOf = (instance) => instance.files.map((file) => storedAs(file.name)).sort();

// What the host refuses is thrown with the failure, or the word of the entry, in `payload`.
const reason = (error, what) =>
  typeof error?.payload === 'object' ? error.payload : failure('internal', `${what}: ${error?.payload ?? error}`);

export const storage = {
  recipients(instance) {
    const keys = [...new Set(instance.targets.flatMap(recipientsOf))].sort();
    const recipients = keys.map((key) => ({ key, kind: kindOf(key), label: undefined, attrs: [] }));
    return instance.files.map((file) => ({ file: file.name, recipients, attrs: [] }));
  },

  check(context, instance, entry) {
    const stored = entry.names();
    const declared = declaredOf(instance);
    if (stored.join('\n') === declared.join('\n')) return { tag: 'present' };
    if (stored.length === 0) return { tag: 'absent' };
    const message = `${stored.join(', ')} is stored; ${declared.join(', ')} is declared`;
    return { tag: 'stale', val: { first: { kind: 'files', message, attrs: [] }, rest: [], attrs: [] } };
  },

  serialize(context, instance, items, entry) {
    try {
      for (const { name, value } of items) {
        entry.write(storedAs(name), seal([name], value, 'armored'));
      }
      const declared = new Set(declaredOf(instance));
      for (const name of entry.names()) {
        if (!declared.has(name)) entry.remove(name);
      }
    } catch (error) {
      throw { tag: 'failed', val: reason(error, 'the entry') };
    }
  },
};

export const retrieval = {
  retrieve(context, files, entry) {
    return files.map((file) => ({ file, value: plaintext(file, entry), attrs: [] }));
  },
};

function plaintext(name, entry) {
  const stored = storedAs(name);
  let bytes;
  try {
    bytes = entry.read(stored, 0n, entry.size(stored));
  } catch (error) {
    return { tag: 'err', val: { tag: 'failed', val: failure('corrupt', `${stored}: ${error.payload}`) } };
  }
  try {
    return { tag: 'ok', val: open(bytes) };
  } catch (error) {
    return { tag: 'err', val: error.payload };
  }
}
