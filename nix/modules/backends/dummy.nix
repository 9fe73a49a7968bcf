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

  # Files that one generator makes belong together.
  partly =
    artifact:
    let
      files = lib.attrValues artifact.files;
      without = lib.filter (file: file.testValue == null) files;
      name = (lib.head without).name;
    in
    lib.optional
      (artifact.generator != null && without != [ ] && lib.length without != lib.length files)
      (
        fault artifact [
          "files"
          name
          "testValue"
        ] "it is missing, but other files of this artifact have one; set it for all files or for none"
      );

  # No unit comes before an activation script, which makes users where no unit does.
  unitMakesUsers = cfg._lib.makesUsers != [ ];

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
      ] "`dummy` needs systemd units, but ${noUnits}; use another backend"
    );
in
{
  options.artifacts.config.dummy.deterministic = lib.mkOption {
    type = lib.types.nullOr lib.types.bool;
    default = null;
    description = ''
      Derive all values from the instance name, so that they are the same at every boot and, for a shared artifact, on every
      machine. Anyone can compute them. This applies to answers to prompts and to what a generator reads from /dev/urandom and
      /dev/random: each opening has the same 1 MiB. Programs that use the kernel's random numbers directly, such as openssl,
      ssh-keygen, wg, age-keygen and Python, are not deterministic: a generator fails if a second run gives other values.
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
