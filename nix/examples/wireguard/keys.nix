# The machines' public keys, and the admin's.
{
  hub = "ssh-ed25519 …";
  leaf = "ssh-ed25519 …";
  admin = "age1…";
}
