# The public halves of the keys that read the secrets: `ssh-keyscan web1`, `age-keygen -y`. The demo puts fresh ones here.
{
  web1 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICQBLfvhNzjM6lqmQHFb3emU4pqUX69+Oeg8EvqAEwzn web1";
  web2 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK/5Cg7YyY8XYNtTKRHjzPjcuKhJImuXzMWs66xamIuQ web2";
  alice = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH07fFuuFPoB/46FuPr3kR4LU1Dx9rfstMZBBPQQLJP8 alice";
  admin = "age19j0ky3tgc33wwsrx3ylyl6fu536kcj39rgx8jla6wj3xf450kc6s3gmyw9";
}
