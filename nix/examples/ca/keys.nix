# The machines' public keys, and the admin's.
{
  web1 = "ssh-ed25519 …";
  web2 = "ssh-ed25519 …";
  admin = "age1…";
}
