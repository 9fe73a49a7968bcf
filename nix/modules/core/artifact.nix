# One artifact: what it is, and how it is made and stored.
{
  lib,
  kind,
  pkgs,
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
      description = "Description, for display only.";
      example = "token by which attic signs";
    };

    shared = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether all targets that declare this artifact share one value. The declarations must be equal except for path, mode,
        owner, group and deploy of the files.
      '';
      example = true;
    };

    backend = mkOption {
      type = types.str;
      default = cfg.default.backend;
      defaultText = literalExpression "config.artifacts.default.backend";
      apply = backend: if cfg.testMachine then "dummy" else backend;
      description = ''
        Backend that stores the artifact: a bundled one (`agenix`, `sops-nix`, `dummy`) or one of `artifacts.backends`. After a change, a
        stored value is stale until `artifacts rekey` moves it: the old backend decrypts it in memory, with an identity of yours, and the
        new one stores it. Keep the old backend's settings until then.
      '';
      example = "sops-nix";
    };

    recipients = mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      description = ''
        Names of the admins of this artifact, some of `artifacts.recipients`; null for all. The keys of the targets that the files are
        deployed to stay.
      '';
      example = [ "alice" ];
    };

    prompts = mkOption {
      type = types.attrsOf (types.submodule (import ./prompt.nix { inherit lib; }));
      default = { };
      description = ''
        Values that you enter before the files are generated. The generator reads each value as `$prompts/<name>`. Without a
        generator there is a prompt for each file, and a declared prompt of the file's name changes how it is asked for.
      '';
      example = literalExpression ''{ token.description = "API token from the provider's console"; }'';
    };

    generator = mkOption {
      type = types.nullOr executable;
      default = null;
      description = ''
        Program that generates the files: a derivation, a directory with one program in `bin`, or a path. It runs in a sandbox
        without network and sees `$out`, `$prompts`, `$in`, `$artifact`, `$artifact_context` (`nixos`, `homemanager` or
        `shared`), `$machine` or `$username`, and `$LOG_LEVEL`. A shared artifact gets no name of artifact, machine or user.

        If null, you enter each file yourself: `artifacts generate` asks for it by a prompt of the file's name (hidden for a secret
        file, `line` for a public one), and the answer becomes the file, byte for byte.
      '';
      example = literalExpression ''
        pkgs.writers.writeBash "password" '''
          ''${pkgs.xkcdpass}/bin/xkcdpass --numwords 10 > $out/password
        '''
      '';
    };

    script = mkOption {
      type = types.nullOr types.lines;
      default = null;
      description = ''
        Short form of a generator: the text of a Bash script, which fails where one of its commands does (`set -euo pipefail`), and
        whose `PATH` begins with `runtimeInputs`.
      '';
      example = literalExpression ''
        '''
          openssl rand -hex 32 > $out/token
        '''
      '';
    };

    runtimeInputs = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose programs `script` runs.";
      example = literalExpression "[ pkgs.openssl ]";
    };

    dependencies = mkOption {
      type = types.either (types.listOf types.str) (types.attrsOf types.str);
      default = [ ];
      description = ''
        Artifacts that the generator reads; they are generated first. A list has artifacts of this target, or shared ones of any target,
        and their files are `$in/<artifact>/<file>`. A set has directories of `$in` with any instance, also of another machine or user.
        You are always asked before a generator reads what another target has. A dependency adds no recipient to what is read, but the
        generator can copy it into its own files.
      '';
      example = literalExpression ''{ ca = "shared/ca"; controller = "per-machine/ctrl/id"; }'';
    };

    validation = mkOption {
      type = types.nullOr types.anything;
      default = null;
      description = ''
        A value that the files depend on. When it changes, the artifact becomes stale and `artifacts rotate --stale`
        replaces it. The generator does not get it.
      '';
      example = literalExpression "{ inherit (config.networking) domain; }";
    };

    maxAge = duration.option {
      description = ''
        Age after which the value is stale and `artifacts rotate --stale` replaces it. `artifacts set` and `edit` reset the age
        of an artifact with one file; that of several files does not change.'';
      example = "90d";
    };

    rotation = mkOption {
      type = types.enum [
        "automatic"
        "manual"
      ];
      default = "automatic";
      description = ''
        Whether `artifacts rotate` replaces the value together with others. A `manual` one is only listed, and replaced only where it is
        named in full (`artifacts rotate web1/disk-key`): set it where more has to be done than to deploy a new value, such as for keys
        of backups, disks and databases.
      '';
      example = "manual";
    };

    timeout = duration.option {
      description = "Time limit of the generator.";
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
        systemd units that start after the files of this artifact exist, and stop without them.
      '';
      example = [ "atticd.service" ];
    };
  };

  fromScript =
    artifact:
    pkgs.writers.writeBash (lib.strings.sanitizeDerivationName artifact.name) ''
      set -euo pipefail
      export PATH=${lib.makeBinPath artifact.runtimeInputs}''${PATH:+:$PATH}
      ${artifact.script}
    ''
    // {
      isScript = true;
    };
in
{ name, config, ... }:
{
  options = fixed // {
    # Both at once are a fault that the checks report.
    generator = fixed.generator // {
      apply = given: if given == null && config.script != null then fromScript config else given;
    };

    name = called "artifact" name;

    files = mkOption {
      type = types.attrsOf (types.submodule (file config));
      default = { };
      description = "Files of the artifact. The generator writes each of them as `$out/<name>`; without one, you enter them.";
      example = literalExpression ''{ env = { owner = "atticd"; path = "/var/lib/attic/env"; }; }'';
    };

    backendConfig = mkOption {
      type = types.attrsOf (types.attrsOf types.anything);
      default = { };
      # The names of the admins are such a setting as well, of which the backend's module knows which it is.
      apply =
        given:
        let
          inherit (config) backend;
          narrow = cfg.narrow.${backend} or (_: { });
          narrowed = if config.recipients == null then { } else narrow config.recipients;
        in
        if narrowed == { } then given else given // { ${backend} = narrowed // given.${backend} or { }; };
      description = ''
        Settings of this artifact for its backend. Each takes the place of the target's setting in `artifacts.config.<backend>` as a
        whole, also where that is a list or a set. World-readable: do not put secrets here.
      '';
      example = literalExpression ''{ sops-nix.format = "yaml"; }'';
    };

    instance = mkOption {
      type = types.str;
      readOnly = true;
      default = entries.instance config;
      defaultText = literalExpression ''"per-machine/<target>/<artifact>", "per-user/…" or "shared/<artifact>"'';
      description = "Name of the instance, which is the path of its entry below the storage.";
    };

    entry = mkOption {
      type = types.nullOr types.path;
      readOnly = true;
      default =
        if cfg.root != null && builtins.pathExists (entries.entry config) then entries.entry config else null;
      defaultText = literalExpression "root + \"/<storage>/<instance>\"";
      description = ''
        Directory of the stored files, for modules that deploy a backend's files; null until the artifact is stored. It is a path:
        `"''${entry + "/env.age"}"` is a store path with that file alone. A name with a space is not valid in the store:
        `builtins.path { path = entry + "/my env.age"; name = "env.age"; }` accepts any.
      '';
    };
  };
}
