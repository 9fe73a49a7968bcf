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

  public = import ../../lib/public.nix;

  root =
    if cfg.root == null then
      throw "artifacts: set `artifacts.root = ./.;` in the directory of the flake, so that stored files can be read"
    else
      cfg.root;

  own = "${if kind == "home-manager" then "per-user" else "per-machine"}/${cfg.target}";
in
rec {
  inherit kind;

  # For the collection of specs: of a configuration inside another one there are only values.
  inherit options;

  # What the generator of an artifact reads: its directory in `$in`, its name, and the artifact of this target that it is; null for what
  # another target has, if any.
  dependencies =
    artifact:
    let
      one =
        directory: text:
        let
          name = lib.last (lib.splitString "/" text);
          found = cfg.store.${name} or null;
        in
        {
          inherit directory text;
          own = if found != null && (name == text || found.instance == text) then found else null;
        };
    in
    if lib.isList artifact.dependencies then
      map (name: one name name) artifact.dependencies
    else
      lib.mapAttrsToList one artifact.dependencies;

  # The units that make the users here; none where a script does, before any unit starts.
  makesUsers =
    lib.optional (config.systemd.sysusers.enable or false) "systemd-sysusers.service"
    ++ lib.optional (config.services.userborn.enable or false) "userborn.service";

  # The path below the storage, which is the instance's name.
  instance = artifact: "${if artifact.shared then "shared" else own}/${artifact.name}";

  storage = backend: (cfg.backends.${backend} or { storage = "secrets"; }).storage;

  entry = artifact: public.entry root (storage artifact.backend) artifact.instance;

  file = artifact: name: entry artifact + "/${name}";

  exists = artifact: name: builtins.pathExists (file artifact name);

  shellName = artifact: public.shellWord artifact.instance;

  inherit (public) text;

  # The group of whoever owns what nobody else does.
  rootGroup = if kind == "darwin" then "wheel" else "root";

  # What a user's path has below the runtime directory, which is known when the user is there; null for any other path.
  belowRuntime =
    path:
    let
      parts = builtins.match "([$][{]XDG_RUNTIME_DIR[}]|[$]XDG_RUNTIME_DIR|%r)/(.*)" path;
    in
    if kind != "home-manager" || parts == null then null else builtins.elemAt parts 1;

  # The same path in one spelling, which a shell reads.
  spelled =
    path:
    let
      below = belowRuntime path;
    in
    if below == null then path else "\${XDG_RUNTIME_DIR}/${below}";

  # A text on one line.
  shown = builtins.replaceStrings [ "\n" "\t" "\r" ] [ "\\n" "\\t" "\\r" ];

  # How a person writes an option of an artifact.
  optionOf =
    artifact: path:
    lib.showOption (
      [
        "artifacts"
        "store"
        artifact.name
      ]
      ++ path
    );

  # A fault of these artifacts, by name; of the target when there are none.
  problem = artifacts: message: {
    inherit artifacts message;
    warning = false;
  };

  # A fault of one artifact, at one of its options.
  fault =
    artifact: path: text:
    problem [ artifact.name ] "${optionOf artifact path}: ${text}";

  # An artifact that cannot be evaluated yet hides no fault of another one.
  guarded =
    found:
    let
      result = builtins.tryEval (builtins.deepSeq found found);
    in
    if result.success then result.value else [ ];

  # Whether a user (`users`) or group (`groups`) is there when files are installed.
  known =
    table:
    let
      declared = options ? users.${table};
      # nix-darwin manages neither, and macOS has both.
      always = {
        users = "root";
        groups = rootGroup;
      };
    in
    name:
    !declared
    || name == always.${table}
    || config.users.${table} ? ${name}
    || builtins.match "[0-9]+" name != null;

  missing = artifact: public.missing artifact.instance;

  made =
    artifact: file:
    throw "artifacts: ${artifact.instance}: `${file.name}` is generated on the target (${artifact.backend}), so Nix cannot read it; set ${
      lib.showOption [
        "artifacts"
        "store"
        artifact.name
        "files"
        file.name
        "testValue"
      ]
    }, or read it there: ${file.path}";

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
