# One file of an artifact.
{
  lib,
  kind,
  cfg,
  entries,
}:
let
  inherit (lib) mkOption types literalExpression;
  called = import ./name.nix { inherit lib; };

  # What does not depend on which file it is: made once.
  fixed = {
    mode = mkOption {
      type = types.str;
      default = "0400";
      description = "Mode on the target, an octal number.";
      example = "0440";
    };

    secret = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether the file is secret. A public file is stored in plain text beside the secret ones, and Nix can read it: see `value`.
      '';
      example = false;
    };

    deploy = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether to deploy the file to the target. If false, it is encrypted to the admins only, and artifacts that depend on this
        one can read it: for example the private key of a certificate authority. At least one admin key must be set. The targets of a
        shared artifact may differ: the file is encrypted to the keys of those that it is deployed to, and to their admins.
      '';
      example = false;
    };

    neededFor = mkOption {
      type = types.enum [
        "services"
        "users"
      ];
      default = "services";
      description = ''
        When the file must exist: before `services` start, or already before `users` are created, as for a
        `users.users.<name>.hashedPasswordFile`. A backend that does not support the latter reports it.
      '';
      example = "users";
    };

    testValue = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = ''
        Fixed value for on-target backends, used instead of the generator. Ignored by other backends. Without it, a public file has no
        `value` there. If the artifact has a generator, set it for all files or for none. A change takes effect at the next boot.
        World-readable: do not use a real secret.
      '';
      example = "hunter2";
    };

    restartUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The systemd units that are restarted when the content changes.";
      example = [ "atticd.service" ];
    };

    reloadUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The systemd units that are reloaded when the content changes.";
      example = [ "nginx.service" ];
    };

    credentials = mkOption {
      type = types.attrsOf types.str;
      default = { };
      description = ''
        Services that get the file as a systemd credential, each with its ID: the service has `LoadCredential=<ID>:<path>` and reads it
        at `$CREDENTIALS_DIRECTORY/<ID>`, also if its user does not own the file. It starts after the file exists, as with
        `bindUnits`, and is restarted when the content changes, as with `restartUnits`.
      '';
      example = {
        "atticd.service" = "token";
      };
    };
  }
  // lib.optionalAttrs (kind != "home-manager") {
    owner = mkOption {
      type = types.str;
      default = "root";
      description = "Owner on the target. An unknown user causes a warning, and the file belongs to root.";
      example = "atticd";
    };

    group = mkOption {
      type = types.str;
      default = entries.rootGroup;
      defaultText = literalExpression (if kind == "darwin" then ''"wheel"'' else ''"root"'');
      description = "Group on the target.";
      example = "atticd";
    };
  };
in
artifact:
let
  # What is made on the target lies nowhere else.
  onTarget = cfg.installers.${artifact.backend}.onTarget or false;
in
{ name, config, ... }:
let
  public = "public/${name}";

  # What was stored for other machines is not what this one makes.
  text =
    otherwise:
    if onTarget && config.testValue != null then
      lib.removeSuffix "\n" config.testValue
    else if !onTarget && config.exists then
      entries.text (entries.file artifact public)
    else if otherwise != null then
      otherwise
    else if onTarget then
      entries.made artifact config
    else
      entries.missing artifact name;
in
{
  options = fixed // {
    name = called "file" name;

    path = mkOption {
      type = types.str;
      default =
        if config.secret || onTarget then
          "${cfg.directory}/${artifact.name}/${name}"
        else
          entries.storePath artifact public;
      defaultText = literalExpression ''"''${config.artifacts.directory}/<artifact>/<file>"; a public file's own store path'';
      description = ''
        Absolute path on the target. Use it in the configuration of services. That of a user may begin with
        `''${XDG_RUNTIME_DIR}/`.
      '';
      example = "/var/lib/attic/secrets/env";
    };

    exists = mkOption {
      type = types.bool;
      readOnly = true;
      default =
        !config.secret && (if onTarget then config.testValue != null else entries.exists artifact public);
      defaultText = literalExpression "whether a public file is generated";
      description = ''
        Whether a public file is generated, so that `value` can be read. For an on-target file: whether it has a `testValue`.
      '';
    };

    value = mkOption {
      type = types.nullOr types.str;
      default = null;
      # What somebody gave to a secret is a mistake that the checks report.
      apply = given: if config.secret then given else text given;
      description = ''
        Text of a public file without its final newline; null for a secret file. Set it to what is to be read until the file is
        generated; without that, reading it fails with the command to run. For an on-target file it is the `testValue`, and
        without one what you set.
      '';
      example = "not generated yet";
    };
  };
}
