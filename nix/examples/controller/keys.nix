# The machines' public keys, and the admin's.
{
  controller = "ssh-ed25519 …";
  peer1 = "ssh-ed25519 …";
  peer2 = "ssh-ed25519 …";
  admin = "age1…";
}
