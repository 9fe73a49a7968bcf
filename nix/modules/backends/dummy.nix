# What the backend `dummy` can be told. Its files come onto the target by the units of artifacts.
{ lib, ... }:
{
  options.artifacts.config.dummy.deterministic = lib.mkOption {
    type = lib.types.nullOr lib.types.bool;
    default = null;
    description = ''
      Make the same values on every machine and in every boot; shared artifacts then agree everywhere, without a word between
      machines. Anybody can compute them. A generator must take its randomness from /dev/urandom alone.
    '';
    example = true;
  };
}
