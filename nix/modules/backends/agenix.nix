# Brings what the backend `agenix` stored onto the target, through agenix. Without agenix it defines nothing.
{
  lib,
  config,
  options,
  ...
}:
let
  inherit (lib) mkOption types literalExpression;
  cfg = config.artifacts.config.agenix;
  slices = config.artifacts._lib;

  mine = lib.filter (artifact: artifact.backend == "agenix") (lib.attrValues config.artifacts.store);
  deployed = artifact: lib.filter (file: file.secret && file.deploy) (lib.attrValues artifact.files);

  # A slash, because it is in no name: `a-b`/`c` and `a`/`b-c` stay apart.
  render =
    artifact: file:
    lib.nameValuePair "${artifact.name}/${file.name}" (
      {
        file = slices.storePath artifact "${file.name}.age";
        inherit (file) path mode;
      }
      // lib.optionalAttrs (file ? owner) {
        owner = if slices.known "users" file.owner then file.owner else "root";
        group = if slices.known "groups" file.group then file.group else "root";
      }
    );

  hasHostKey = slices.kind != "home-manager";
  label = artifact: lib.showOption [ "artifacts" "store" artifact.name ];
  problem = artifact: message: {
    inherit artifact message;
    warning = false;
  };

  forTarget = lib.filter (artifact: deployed artifact != [ ]) mine;
  unreadable =
    key:
    problem null "artifacts.config.agenix.${key}, so nothing can be encrypted for it: set it, for ${lib.concatMapStringsSep ", " label forTarget}";
  noTargetKey =
    lib.optional (forTarget != [ ] && hasHostKey && cfg.publicHostKey == null) (
      unreadable "publicHostKey: the machine's public key is not set"
    )
    ++ lib.optional (forTarget != [ ] && !hasHostKey && cfg.publicUserKeys == [ ]) (
      unreadable "publicUserKeys: the user's public key is not set"
    );

  noAdminKey =
    artifact:
    map (
      file:
      problem artifact.name "${label artifact}.files.${file.name}.deploy: it is false, and there is no admin who could read the file; set artifacts.config.agenix.publicUserKeys"
    ) (lib.filter (file: file.secret && !file.deploy && cfg.publicUserKeys == [ ]) (lib.attrValues artifact.files));

  otherStorage = lib.optional (cfg.flakeStoreDir != null && baseNameOf cfg.flakeStoreDir != slices.storage "agenix") (
    problem null "artifacts.config.agenix.flakeStoreDir: the folder is not named `${slices.storage "agenix"}`, as the storage is; set artifacts.root to the folder that it is in, and artifacts.backends.agenix.storage to its name"
  );
in
{
  options.artifacts.config.agenix = {
    publicHostKey = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The public key of the target: an age recipient or an SSH key.";
      example = "ssh-ed25519 AAAA…";
    };

    publicUserKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The public keys of those who may read the target's files besides: admins, or the user.";
      example = [ "age1…" ];
    };

    identityPaths = mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      description = "Where the target keeps its private keys; null leaves `age.identityPaths` alone.";
      example = [ "/home/alice/.ssh/id_ed25519" ];
    };

    machineName = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The target's name, as nixos-artifacts has it; `artifacts.target` takes it over.";
    };

    username = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The target's name, as nixos-artifacts has it for users; `artifacts.target` takes it over.";
    };

    storeDir = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Accepted for nixos-artifacts' sake, and not used: `artifacts.backends.agenix.storage` names the storage.";
    };

    flakeStoreDir = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "The storage, as nixos-artifacts has it; `artifacts.root` takes over the folder that it is in.";
      example = literalExpression "./secrets";
    };
  };

  config = lib.mkMerge [
    {
      artifacts.problems = noTargetKey ++ lib.concatMap noAdminKey mine ++ otherStorage;
      artifacts.target = lib.mkMerge [
        (lib.mkIf (cfg.machineName != null) (lib.mkDefault cfg.machineName))
        (lib.mkIf (cfg.username != null) (lib.mkDefault cfg.username))
      ];
      artifacts.root = lib.mkIf (cfg.flakeStoreDir != null) (lib.mkDefault (dirOf cfg.flakeStoreDir));
    }
    (lib.optionalAttrs (options ? age) {
      artifacts.rendering = lib.mkIf (mine != [ ]) {
        agenix.neededFor = [ "services" ] ++ lib.optional hasHostKey "users";
      };
      artifacts.expected = lib.concatMap (
        artifact:
        map (file: {
          inherit artifact;
          file = "${file.name}.age";
        }) (deployed artifact)
      ) mine;
      age.secrets = lib.listToAttrs (lib.concatMap (artifact: map (render artifact) (deployed artifact)) mine);
      age.identityPaths = lib.mkIf (cfg.identityPaths != null) cfg.identityPaths;
    })
  ];
}
