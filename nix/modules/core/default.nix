# The declarations. They read only their own options and the target's name, so that evaluating `artifacts.store` evaluates
# nothing else of the system.
kind:
{
  lib,
  config,
  options,
  pkgs,
  ...
}@args:
let
  inherit (lib) mkOption types literalExpression;
  cfg = config.artifacts;

  # Home Manager inside NixOS or nix-darwin is told of the machine's configuration.
  machine = args.osConfig or args.nixosConfig or args.darwinConfig or null;
  machineArtifacts = if machine == null then { } else machine.artifacts or { };

  # nix-darwin leaves it null.
  hostName =
    from: output:
    if from.networking.hostName != null then
      from.networking.hostName
    else
      throw "artifacts: networking.hostName is not set; set artifacts.target to the name of this configuration in ${output}";

  entries = import ./entries.nix {
    inherit
      lib
      kind
      config
      options
      ;
  };

  targetDefault =
    if kind != "home-manager" then
      hostName config (if kind == "darwin" then "darwinConfigurations" else "nixosConfigurations")
    else if machine == null then
      config.home.username
    else
      "${config.home.username}@${
        machineArtifacts.target or (hostName machine "darwinConfigurations, as `<user>@<attribute>`")
      }";

  # What a user inside a machine has from there, as a text.
  inherited =
    option: otherwise:
    if kind == "home-manager" then "osConfig.artifacts.${option} or ${otherwise}" else otherwise;

  directoryDefault =
    if kind == "home-manager" then
      "${config.xdg.stateHome or "${config.home.homeDirectory}/.local/state"}/artifacts"
    else
      "/run/artifacts";
in
{
  _file = toString ./default.nix;
  key = "artifacts/core/${kind}";

  # The one backend that is there whatever else is imported: it brings no tool.
  imports = [
    (import ./checks.nix kind)
    (import ./recipients.nix kind)
    (import ./test-machine.nix kind machineArtifacts)
    ../backends/dummy.nix
  ];

  options.artifacts = {
    store = mkOption {
      type = types.attrsOf (
        types.submodule (
          import ./artifact.nix {
            inherit
              lib
              kind
              pkgs
              cfg
              entries
              ;
          }
        )
      );
      default = { };
      description = "Artifacts of this target: named sets of files with prompts and a generator.";
      example = literalExpression ''
        {
          smtp.files.password = { };
          attic = {
            files.env.owner = "atticd";
            generator = pkgs.writers.writeBash "attic" '''
              echo "TOKEN=$(''${pkgs.openssl}/bin/openssl rand -hex 32)" > $out/env
            ''';
          };
        }
      '';
    };

    default.backend = mkOption (
      {
        type = types.str;
        description = ''
          Default backend: a bundled one (`agenix`, `sops-nix`, `dummy`) or one of `artifacts.backends`. After a change, `artifacts rekey` moves
          the stored values: see `artifacts.store.<name>.backend`.
        '';
        example = "agenix";
      }
      // lib.optionalAttrs (machineArtifacts ? default) {
        default = machineArtifacts.default.backend;
        defaultText = literalExpression "osConfig.artifacts.default.backend";
      }
    );

    target = mkOption {
      type = types.str;
      default = targetDefault;
      defaultText = literalExpression (
        if kind == "home-manager" then
          ''config.home.username, or "<user>@<machine>" inside a machine's configuration''
        else
          "config.networking.hostName"
      );
      description = ''
        The attribute under which the flake exports this configuration; it names the target's directory in the storage. A
        configuration cannot know it by itself.
      '';
      example = "web1";
    };

    root = mkOption {
      type = types.nullOr types.path;
      default = machineArtifacts.root or null;
      defaultText = literalExpression (inherited "root" "null");
      description = ''
        Directory of the flake. Set it once: `artifacts.root = ./.;` in the directory of the flake. Nix reads stored files below it;
        the command writes to the same place in the checkout.
      '';
      example = literalExpression "./.";
    };

    directory = mkOption {
      type = types.str;
      default = directoryDefault;
      defaultText = literalExpression (
        if kind == "home-manager" then ''"''${config.xdg.stateHome}/artifacts"'' else ''"/run/artifacts"''
      );
      description = "Directory on the target for files without an explicit `path`.";
      example = "/run/keys/artifacts";
    };

    backends = mkOption {
      type = types.attrsOf (types.submodule (import ./backend.nix { inherit lib; }));
      default = machineArtifacts.backends or { };
      defaultText = literalExpression (inherited "backends" "{ }");
      description = "Registered backends. Bundled ones need no registration. All targets of a flake must agree.";
      example = literalExpression ''
        { vault.component = inputs.vault-backend.packages.x86_64-linux.default; }
      '';
    };

    config = mkOption {
      type = types.submodule { freeformType = types.attrsOf (types.attrsOf types.anything); };
      default = { };
      description = ''
        Settings of this target for each backend, passed to the backend unchanged. World-readable: do not put secrets here. Modules
        of backends declare options below it.
      '';
      example = literalExpression ''{ agenix.publicHostKey = "ssh-ed25519 AAAA…"; }'';
    };

    system = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      default = pkgs.stdenv.hostPlatform.system;
      defaultText = literalExpression "pkgs.stdenv.hostPlatform.system";
      description = "The target's Nix system.";
    };

    rendering = mkOption {
      type = types.attrsOf types.raw;
      internal = true;
      default = { };
      description = "Backends whose files a module of this configuration deploys, and `neededFor` what in time.";
    };

    _lib = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = entries;
      defaultText = literalExpression "{ }";
      description = "Paths of stored files, for modules that deploy a backend's files.";
    };
  };
}
