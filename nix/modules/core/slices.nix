# Where an artifact's stored files lie. The command writes `<checkout of root>/<storage>/<instance>`, Nix reads the same below
# `artifacts.root`.
{
  lib,
  kind,
  config,
  options,
}:
let
  cfg = config.artifacts;

  bare = value: builtins.unsafeDiscardStringContext (toString value);

  root =
    if cfg.root == null then
      throw "artifacts: set `artifacts.root = ./.;` in the flake's own folder, so that stored files can be read"
    else
      cfg.root;
in
rec {
  inherit kind;

  # The path below the storage, which is the instance's name.
  instance =
    artifact:
    if artifact.shared then
      "shared/${artifact.name}"
    else
      "${if kind == "home-manager" then "per-user" else "per-machine"}/${cfg.target}/${artifact.name}";

  storage = backend: (cfg.backends.${backend} or { storage = "secrets"; }).storage;

  # A path and not a string: using one of its files copies that file alone, not the flake's whole source.
  slice = artifact: /. + "${bare root}/${storage artifact.backend}/${instance artifact}";

  file = artifact: name: slice artifact + "/${name}";

  exists = artifact: name: builtins.pathExists (file artifact name);

  shellName =
    artifact:
    let
      name = instance artifact;
      plain = builtins.match "[a-zA-Z0-9/_.@+-]+" name != null;
    in
    if plain then name else lib.escapeShellArg name;

  # The command that makes an artifact.
  command = artifact: "artifacts generate ${shellName artifact}";

  # Whether a user (`users`) or group (`groups`) is there when files are installed.
  known =
    table: name:
    !(options ? users.${table}) || config.users.${table} ? ${name} || builtins.match "[0-9]+" name != null;

  missing =
    artifact: name:
    throw "artifacts: ${instance artifact}: `${name}` is not there yet; run: ${command artifact}";

  # One stored file as a store path of its own, so that other commits leave it, and the systems that have it, alone.
  storePath =
    artifact: name:
    if exists artifact name then
      builtins.path {
        path = file artifact name;
        name = lib.strings.sanitizeDerivationName (baseNameOf name);
      }
    else
      missing artifact name;
}
