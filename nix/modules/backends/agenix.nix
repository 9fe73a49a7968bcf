# Brings what the backend `agenix` stored onto the target, through agenix. Without agenix it defines nothing.
{
  lib,
  config,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types literalExpression;
  keys = import ./keys.nix {
    inherit lib config;
    backend = "agenix";
    tool = "agenix";
    module = "default";
    imported = options ? age;
  };
  inherit (keys) cfg entries;

  again = import ./deploy-again.nix {
    inherit
      lib
      config
      options
      pkgs
      ;
    backend = "agenix";
    scripts = [
      "agenixNewGeneration"
      "agenixInstall"
      "agenixChown"
    ];
  };

  stored = _: file: "${file.name}.age";

  # On macOS agenix is a daemon, which nothing waits for. Where a unit makes the users, its own unit comes after that one.
  onNixos = entries.kind == "nixos";
  inherit (entries) makesUsers;
  isEarly = file: onNixos && makesUsers != [ ] && file.neededFor == "users";
  earlyFiles = lib.concatMap (
    artifact:
    map (file: {
      inherit artifact file;
      stored = entries.storePath artifact (stored artifact file);
    }) (lib.filter isEarly (keys.deployed artifact))
  ) keys.mine;
  early = "artifacts-agenix-for-users";

  render =
    artifact: file:
    {
      file = entries.storePath artifact (stored artifact file);
      inherit (file) mode;
      path = entries.spelled file.path;
    }
    // keys.ownership file;

  # A flake's top directory, as an input is: what it is in is the store itself.
  isTop = dirOf (toString cfg.flakeStoreDir) == builtins.storeDir;
  storage = entries.storage "agenix";
  otherStorage =
    "artifacts.config.agenix.flakeStoreDir: "
    + (
      if isTop then
        "it is a complete flake; keep the files in its directory `${storage}`, remove flakeStoreDir, set artifacts.root to that flake, and pass --root DIR with its checkout if it is another flake"
      else
        "the directory is not named `${storage}`, as the storage is; set artifacts.root to the directory that contains it, and artifacts.backends.agenix.storage to its name"
    );
in
{
  options.artifacts.config.agenix = keys.options // {
    identityPaths = mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      description = "Paths of private keys on the target; null leaves `age.identityPaths` unchanged.";
      example = [ "/home/alice/.ssh/id_ed25519" ];
    };

    machineName = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The target's name, as nixos-artifacts has it; `artifacts.target` takes it over.";
      example = "web1";
    };

    username = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The target's name, as nixos-artifacts has it for users; `artifacts.target` takes it over.";
      example = "alice";
    };

    storeDir = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Accepted for compatibility with nixos-artifacts, without effect: `artifacts.backends.agenix.storage` names the storage.";
      example = "secrets";
    };

    flakeStoreDir = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "The storage, as nixos-artifacts has it; `artifacts.root` takes the directory that contains it.";
      example = literalExpression "./secrets";
    };
  };

  config = lib.mkMerge [
    {
      artifacts.backendModules = [ "agenix" ];
      artifacts.narrow.agenix = keys.narrow;
      artifacts.problems =
        keys.problems
        ++ lib.optionals (makesUsers != [ ]) (keys.ofEach keys.early)
        ++ lib.optional (cfg.storeDir != null && cfg.storeDir != storage) (
          keys.problem [ ]
            "artifacts.config.agenix.storeDir: it has no effect; set artifacts.backends.agenix.storage = ${builtins.toJSON cfg.storeDir};, or remove it"
          // {
            warning = true;
          }
        )
        ++ lib.optional (cfg.flakeStoreDir != null && baseNameOf cfg.flakeStoreDir != storage) (
          keys.problem [ ] otherStorage
        );
      artifacts.target = lib.mkMerge [
        (lib.mkIf (cfg.machineName != null) (lib.mkDefault cfg.machineName))
        (lib.mkIf (cfg.username != null) (lib.mkDefault cfg.username))
      ];
      artifacts.root = lib.mkIf (cfg.flakeStoreDir != null) (
        lib.mkDefault (if isTop then throw "artifacts: ${otherStorage}" else dirOf cfg.flakeStoreDir)
      );
    }
    (lib.optionalAttrs (options.artifacts ? installers) {
      artifacts.installers.agenix.units =
        if onNixos then
          [ "agenix-install-secrets.service" ]
          ++ lib.optional (earlyFiles != [ ]) "${early}.service"
          ++ again.units
        else
          [ "agenix.service" ];
    })
    (lib.optionalAttrs (options ? age) {
      artifacts.rendering = lib.mkIf (keys.certain != [ ]) {
        agenix.neededFor = [ "services" ] ++ lib.optional onNixos "users";
      };
      artifacts.expected = keys.expected stored;
      age.secrets = keys.secrets (file: !isEarly file) render;
      age.identityPaths = lib.mkIf (cfg.identityPaths != null) cfg.identityPaths;
    })
    (lib.optionalAttrs (options.artifacts ? installers && options ? age && options ? systemd.services) {
      systemd.services = again.services;
    })
    (lib.optionalAttrs (options ? age && options ? systemd.services) {
      systemd.services.${early} = lib.mkIf (earlyFiles != [ ]) (
        import ./agenix-for-users.nix {
          inherit
            lib
            config
            pkgs
            makesUsers
            ;
          files = earlyFiles;
        }
      );
    })
  ];
}
