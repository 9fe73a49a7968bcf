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
      throw "artifacts: networking.hostName is not set, so this configuration does not know its own name: set artifacts.target to its attribute in ${output}";

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
  # The one backend that is there whatever else is imported: it brings no tool.
  imports = [
    (import ./checks.nix kind)
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
              cfg
              entries
              ;
          }
        )
      );
      default = { };
      description = "What this target has: named sets of files, each with its prompts and its generator.";
      example = literalExpression ''
        {
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
          The backend of every artifact that names none: a bundled one (`agenix`, `sops-nix`, `dummy`) or one of `artifacts.backends`. What
          is stored does not move along when it changes: see `artifacts.store.<name>.backend`.
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
        The attribute under which the flake exports this configuration; it names the target's folder in the storage. A
        configuration cannot know it by itself.
      '';
      example = "web1";
    };

    root = mkOption {
      type = types.nullOr types.path;
      default = machineArtifacts.root or null;
      defaultText = literalExpression (inherited "root" "null");
      description = ''
        The folder that holds the storages, usually the flake's own: set it once to `./.` in the flake's folder. Stored
        files are read from below it; the command writes to the same place in the checkout.
      '';
      example = literalExpression "./.";
    };

    directory = mkOption {
      type = types.str;
      default = directoryDefault;
      defaultText = literalExpression (
        if kind == "home-manager" then ''"''${config.xdg.stateHome}/artifacts"'' else ''"/run/artifacts"''
      );
      description = "The folder on the target below which files lie that set no path of their own.";
      example = "/run/keys/artifacts";
    };

    backends = mkOption {
      type = types.attrsOf (types.submodule (import ./backend.nix { inherit lib; }));
      default = machineArtifacts.backends or { };
      defaultText = literalExpression (inherited "backends" "{ }");
      description = "Registered backends. Bundled ones need no entry. All targets of a flake must agree.";
      example = literalExpression ''
        { vault.component = inputs.vault-backend.packages.x86_64-linux.default; }
      '';
    };

    config = mkOption {
      type = types.submodule { freeformType = types.attrsOf (types.attrsOf types.anything); };
      default = { };
      description = ''
        What each backend needs to know about this target, by backend. It is given to the backend as it is and lies in the
        world-readable store: nothing secret belongs here. Modules of backends declare options below it.
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
      description = "Backends whose files a module of this configuration brings onto the target, and `neededFor` what in time.";
    };

    _lib = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = entries;
      defaultText = literalExpression "{ }";
      description = "Where stored files lie, for modules that bring a backend's files onto the target.";
    };
  };
}
