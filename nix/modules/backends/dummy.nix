# What the backend `dummy` can be told. Its files come onto the target by the units of artifacts.
{ lib, ... }:
{
  options.artifacts.config.dummy.deterministic = lib.mkOption {
    type = lib.types.nullOr lib.types.bool;
    default = null;
    description = ''
      Make values from the instance's name alone: the same in every boot, and of a shared artifact on every machine, without
      a word between machines. Anybody can compute them. A generator must take its randomness from /dev/urandom alone.
    '';
    example = true;
  };
}
