# One artifact: what it is, and how it is made and stored.
{
  lib,
  kind,
  cfg,
  entries,
}:
let
  inherit (lib) mkOption types literalExpression;
  called = import ./name.nix { inherit lib; };
  duration = import ./duration.nix { inherit lib; };
  file = import ./file.nix {
    inherit
      lib
      kind
      cfg
      entries
      ;
  };
  # `types.package` alone refuses `./generate.sh`, and asks the store about plain strings, which pure evaluation forbids.
  executable = types.either (types.addCheck types.package builtins.isAttrs) types.path;

  # What does not depend on which artifact it is: made once.
  fixed = {
    description = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "What it is, for people.";
      example = "token by which attic signs";
    };

    shared = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether all targets that declare an artifact of this name as shared have one copy. Their declarations must agree in
        everything but path, mode, owner and group.
      '';
      example = true;
    };

    backend = mkOption {
      type = types.str;
      default = cfg.default.backend;
      defaultText = literalExpression "config.artifacts.default.backend";
      description = ''
        The backend that stores it: a bundled one (`agenix`, `sops-nix`, `dummy`) or one of `artifacts.backends`. What is stored does
        not move to another: it is stale, and only its old backend can read it. Take each file out with `artifacts get` before, and
        `artifacts set` it afterwards; several files are generated first, by `artifacts generate --regenerate`.
      '';
      example = "sops-nix";
    };

    prompts = mkOption {
      type = types.attrsOf (types.submodule (import ./prompt.nix { inherit lib; }));
      default = { };
      description = "What a person is asked before it is made. The generator reads each answer as `$prompts/<name>`.";
      example = literalExpression ''{ token.description = "API token from the provider's console"; }'';
    };

    generator = mkOption {
      type = types.nullOr executable;
      default = null;
      description = ''
        What makes the files: a derivation, a folder with one program in `bin`, or the path of a program. It runs in a sandbox
        without network and sees `$out`, `$prompts`, `$in`, `$artifact`, `$artifact_context` (`nixos`, `homemanager` or
        `shared`), `$machine` or `$username`, and `$LOG_LEVEL`. A shared one gets no name of artifact, machine or user.
      '';
      example = literalExpression ''
        pkgs.writers.writeBash "password" '''
          ''${pkgs.xkcdpass}/bin/xkcdpass --numwords 10 > $out/password
        '''
      '';
    };

    dependencies = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = ''
        Artifacts of this target that are made first. The generator reads their files as `$in/<artifact>/<file>`.
      '';
      example = [ "ca" ];
    };

    validation = mkOption {
      type = types.nullOr types.anything;
      default = null;
      description = ''
        Any value that the files depend on. When it changes, what is stored is stale, and made again by
        `artifacts generate --stale`. It is not given to the generator.
      '';
      example = literalExpression "{ inherit (config.networking) domain; }";
    };

    maxAge = duration.option {
      description = ''
        The age at which what is stored is stale, and made again by `artifacts generate --stale`. `artifacts set` and `edit` begin it anew
        for an artifact of one file; one of several files stays as old as it is.'';
      example = "90d";
    };

    timeout = duration.option {
      description = "How long the generator may run before it is ended.";
      example = "5min";
    };

    network = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the generator may use the network.";
      example = true;
    };

    bindUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = ''
        The systemd units that start after this artifact's files are there and run only while they are.
      '';
      example = [ "atticd.service" ];
    };
  };
in
{ name, config, ... }:
{
  options = fixed // {
    name = called "artifact" name;

    files = mkOption {
      type = types.attrsOf (types.submodule (file config));
      default = { };
      description = "Its files. The generator makes each of them as `$out/<name>`.";
      example = literalExpression ''{ env = { owner = "atticd"; path = "/var/lib/attic/env"; }; }'';
    };

    instance = mkOption {
      type = types.str;
      readOnly = true;
      default = entries.instance config;
      defaultText = literalExpression ''"per-machine/<target>/<artifact>", "per-user/…" or "shared/<artifact>"'';
      description = "The name of the instance, which is the path of its entry below the storage.";
    };

    entry = mkOption {
      type = types.path;
      readOnly = true;
      default = entries.entry config;
      defaultText = literalExpression "root + \"/<storage>/<instance>\"";
      description = ''
        The directory of the entry, for modules that bring a backend's files onto the target. It is a path:
        `"''${entry + "/env.age"}"` is a store path with that file alone. A name with a blank is none for the store:
        `builtins.path { path = entry + "/my env.age"; name = "env.age"; }` takes any.
      '';
    };
  };
}
