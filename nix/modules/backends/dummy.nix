# What the backend `dummy` can be told. Its files come onto the target by the units of artifacts.
{ lib, ... }:
{
  options.artifacts.config.dummy.deterministic = lib.mkOption {
    type = lib.types.nullOr lib.types.bool;
    default = null;
    description = ''
      Make values from the instance's name alone: the same in every boot, and of a shared artifact on every machine, without
      a word between machines. Anybody can compute them. This is so of answers to prompts, and of what a generator reads from the
      files /dev/urandom and /dev/random, of which each opening has the same 1 MiB from the beginning. Whatever asks the kernel
      instead, as openssl, ssh-keygen, wg, age-keygen and Python do, gets something new each time: a generator that does not
      make the same when it runs once more fails.
    '';
    example = true;
  };
}
