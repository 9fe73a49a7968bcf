# The admin's public key. The machine's is made along with its other secrets.
{
  admin = "age1…";
}
