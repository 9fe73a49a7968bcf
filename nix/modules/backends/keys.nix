# What agenix and sops-nix have in common: each target has public keys, and what is deployed is encrypted to them.
{
  lib,
  config,
  backend,
  tool, # whose module brings the files onto the target
  module, # its name in that flake
  imported,
  fields ? [ ], # further settings of which an artifact may have its own
}:
let
  inherit (lib) mkOption types;
  cfg = config.artifacts.config.${backend};
  entries = config.artifacts._lib;
  option = "artifacts.config.${backend}";

  inherit (entries) problem fault optionOf;
  label = artifact: optionOf artifact [ ];

  mine = lib.filter (artifact: artifact.backend == backend) (lib.attrValues config.artifacts.store);
  # Those whose backend can be told: faults are looked for in these, since one that throws must not hide those of the others.
  # Whatever brings files onto the target reads `mine`, and throws.
  certain = lib.filter (artifact: (builtins.tryEval (artifact.backend == backend)).value) (
    lib.attrValues config.artifacts.store
  );
  ofEach = find: lib.concatMap (artifact: entries.guarded (find artifact)) certain;
  deployed = artifact: lib.filter (file: file.secret && file.deploy) (lib.attrValues artifact.files);
  forTarget = lib.filter (artifact: (builtins.tryEval (deployed artifact != [ ])).value) certain;

  # The settings of an artifact.
  of = artifact: cfg // artifact.backendConfig.${backend} or { };

  # Whether the target itself has no key: the admins of the machine that a user is on are not the user.
  keyless = lib.filter (
    artifact:
    let
      own = of artifact;
    in
    own.publicHostKey == null
    && (hasHostKey || lib.all (key: lib.elem key config.artifacts.inheritedKeys) own.publicUserKeys)
  ) forTarget;
  noTargetKey = lib.optional (keyless != [ ]) (
    problem (map (artifact: artifact.name) keyless)
      "artifacts.hostKey is not set, so nothing can be encrypted for this target; needed by ${
        lib.concatMapStringsSep ", " label keyless
      }"
  );

  # Of an artifact's own settings the backend knows only some; the others are the target's alone.
  known = [
    "publicHostKey"
    "publicUserKeys"
  ]
  ++ fields;
  unknownSettings =
    artifact:
    map (
      name:
      fault artifact [
        "backendConfig"
        backend
        name
      ] "an artifact cannot set it; it has ${lib.concatStringsSep ", " known}"
    ) (lib.attrNames (removeAttrs artifact.backendConfig.${backend} or { } known));

  # The settings under which an artifact has only the admins of these names.
  narrow = names: {
    publicUserKeys =
      let
        named = map (name: config.artifacts.recipients.${name} or null) names;
      in
      lib.filter (key: lib.elem key named) cfg.publicUserKeys;
  };
  # What is shared may be deployed to another target: only the command knows.
  noAdminKey =
    artifact:
    lib.optionals (!artifact.shared && (of artifact).publicUserKeys == [ ]) (map (
      file:
      fault artifact [
        "files"
        file.name
        "deploy"
      ] "it is false, but there are no admin keys; set artifacts.recipients.<name>"
    ) (lib.filter (file: file.secret && !file.deploy) (lib.attrValues artifact.files)));

  hasHostKey = entries.kind != "home-manager";

  output = {
    nixos = "nixosModules";
    darwin = "darwinModules";
    home-manager = "homeManagerModules";
  };
  noTool =
    lib.optional (!imported && !(config.artifacts.rendering ? ${backend}) && forTarget != [ ])
      (
        problem (map (artifact: artifact.name) forTarget)
          "${option}: ${tool} is not imported, so its files are not deployed; import ${tool}.${output.${entries.kind}}.${module}, for ${
            lib.concatMapStringsSep ", " label forTarget
          }"
      );

  # A tool that installs files before there are users gives them to root alone.
  early =
    artifact:
    map
      (
        file:
        fault artifact [
          "files"
          file.name
          "owner"
        ] "it is deployed before users exist; remove owner and group"
      )
      (
        lib.filter (
          file:
          file.neededFor == "users"
          && (file.owner or "root" != "root" || file.group or entries.rootGroup != entries.rootGroup)
        ) (deployed artifact)
      );
in
{
  inherit
    cfg
    entries
    problem
    fault
    mine
    certain
    ofEach
    deployed
    early
    hasHostKey
    narrow
    of
    ;

  options = {
    publicHostKey = mkOption {
      type = types.nullOr types.str;
      default = config.artifacts.hostKey;
      defaultText = lib.literalExpression "config.artifacts.hostKey";
      description = ''
        Public key of the target itself: an age recipient or an SSH public key, such as a machine's
        `/etc/ssh/ssh_host_ed25519_key.pub`. Deployed files are encrypted to it.
      '';
      example = "ssh-ed25519 AAAA…";
    };

    publicUserKeys = mkOption {
      type = types.listOf types.str;
      default = lib.attrValues config.artifacts.recipients;
      defaultText = lib.literalExpression "lib.attrValues config.artifacts.recipients";
      description = "Public keys of further recipients: admins, or the user.";
      example = [ "age1…" ];
    };
  };

  problems = noTool ++ noTargetKey ++ ofEach (artifact: noAdminKey artifact ++ unknownSettings artifact);

  # Whoever installs a file before its owner is there leaves it root's.
  ownership =
    file:
    lib.optionalAttrs (file ? owner) {
      owner = if entries.known "users" file.owner then file.owner else "root";
      group = if entries.known "groups" file.group then file.group else entries.rootGroup;
    };

  # What the target's tool must find in the store: `stored` tells where in the entry a file is.
  expected =
    stored:
    lib.concatMap (
      artifact:
      map (file: {
        inherit artifact file;
      }) (lib.unique (map (stored artifact) (deployed artifact)))
    ) mine;

  # A slash, because it is in no name: `a-b`/`c` and `a`/`b-c` stay apart.
  secrets =
    installs: render:
    lib.listToAttrs (
      lib.concatMap (
        artifact:
        map (file: lib.nameValuePair "${artifact.name}/${file.name}" (render artifact file)) (
          lib.filter installs (deployed artifact)
        )
      ) mine
    );
}
