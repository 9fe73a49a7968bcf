use litemap::LiteMap;

/// Maps few keys to values, in no more memory than they take: of a fleet, a run keeps all receipts.
pub type Few<K, V> = LiteMap<K, V>;
