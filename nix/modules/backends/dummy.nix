# What the backend `dummy` can be told, and what it cannot do. Its files come onto the target by the units of artifacts.
{
  lib,
  config,
  options,
  ...
}:
let
  cfg = config.artifacts;
  inherit (cfg._lib) kind guarded fault;

  # Files that are made together belong together.
  partly =
    artifact:
    let
      files = lib.attrValues artifact.files;
      without = lib.filter (file: file.testValue == null) files;
      name = (lib.head without).name;
    in
    lib.optional (without != [ ] && lib.length without != lib.length files) (
      fault artifact [
        "files"
        name
        "testValue"
      ] "it has none, and other files of the artifact have one; give it to each, or to none"
    );

  # No unit comes before an activation script, which makes users where no unit does.
  unitMakesUsers = config.systemd.sysusers.enable or false || config.services.userborn.enable or false;

  # Why nothing here would make them.
  noUnits =
    if kind == "darwin" then
      "nix-darwin has none of it"
    else if kind == "home-manager" && !(config.systemd.user.enable or true) then
      "`systemd.user.enable` is false"
    else
      null;
  unmade =
    artifact:
    lib.optional (artifact.backend == "dummy") (
      fault artifact [
        "backend"
      ] "`dummy` has files made by units of systemd, and ${noUnits}; use another backend here"
    );
in
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

  config.artifacts = {
    problems = lib.concatMap (
      artifact: guarded (partly artifact ++ lib.optionals (noUnits != null) (unmade artifact))
    ) (lib.attrValues cfg.store);
  }
  # Where there are units of artifacts.
  // lib.optionalAttrs (options.artifacts ? installers) {
    installers.dummy.onTarget = true;
    rendering.dummy.neededFor = [ "services" ] ++ lib.optional (kind == "nixos" && unitMakesUsers) "users";
  };
}
