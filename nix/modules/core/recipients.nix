# Keys, once for every backend: the target's own, and those of the admins by name. Modules of backends take them as defaults.
kind:
{
  lib,
  config,
  ...
}@args:
let
  inherit (lib) mkOption types literalExpression;
  cfg = config.artifacts;
  inherit (cfg._lib) problem fault guarded;

  # Home Manager inside NixOS or nix-darwin is told of the machine's configuration.
  machine = args.osConfig or args.nixosConfig or args.darwinConfig or null;
  inherited = if machine == null then { } else machine.artifacts.recipients or { };

  # Visible, without anything that a list, a quotation or an option could be made of.
  isName =
    name:
    builtins.stringLength name <= 200 && builtins.match "[A-Za-z0-9][A-Za-z0-9._@+-]*" name != null;

  badNames = map (
    name:
    problem [ ]
      "artifacts.recipients: `${cfg._lib.shown name}` is not a valid name of a recipient; use letters, digits and ._@+-, beginning with a letter or a digit"
  ) (lib.filter (name: !isName name) (lib.attrNames cfg.recipients));

  # Who reads a question must not take an admin for a machine. The command knows the other targets' names.
  targetName = lib.optional (cfg.recipients != { } && cfg.recipients ? ${cfg.target}) (
    problem [ ]
      "artifacts.recipients.${lib.strings.escapeNixIdentifier cfg.target}: a target has this name; choose another name for the recipient"
  );

  names = lib.concatStringsSep ", " (lib.attrNames cfg.recipients);
  ofArtifact =
    artifact:
    lib.optionals (artifact.recipients != null) (
      map
        (
          name:
          fault artifact [ "recipients" ]
            "unknown recipient `${name}`; ${
              if cfg.recipients == { } then
                "declare artifacts.recipients.${lib.strings.escapeNixIdentifier name}"
              else
                "artifacts.recipients has ${names}"
            }"
        )
        (lib.filter (name: !(cfg.recipients ? ${name})) artifact.recipients)
      ++ lib.optional (!(cfg.narrow ? ${artifact.backend})) (
        fault artifact [
          "recipients"
        ] "backend `${artifact.backend}` cannot narrow recipients; remove it, or use another backend"
      )
    );
in
{
  _file = toString ./recipients.nix;
  key = "artifacts/core/recipients";

  options.artifacts = {
    hostKey = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = ''
        Public key of this target itself, for every backend: an age recipient or an SSH public key. For a machine, for example
        `/etc/ssh/ssh_host_ed25519_key.pub`; for a user, the key that decrypts on the target. Deployed files are encrypted to it.
      '';
      example = "ssh-ed25519 AAAA…";
    };

    recipients = mkOption {
      type = types.attrsOf types.str;
      default = inherited;
      defaultText = literalExpression (
        if kind == "home-manager" then "osConfig.artifacts.recipients or { }" else "{ }"
      );
      description = ''
        Public keys of the admins by name, for every backend. All secret files are encrypted to them. The names are what
        `artifacts` shows; no admin may be named like a target, and all targets that share an artifact need the same key under
        one name.
      '';
      example = literalExpression ''{ alice = "age1…"; bob = builtins.readFile ./bob.pub; }'';
    };

    narrow = mkOption {
      type = types.attrsOf types.raw;
      internal = true;
      default = { };
      description = ''
        By backend, a function from names of recipients to those settings of the backend that restrict an artifact's admins to
        them. Only the backend's module knows which these are.
      '';
    };

    inheritedKeys = mkOption {
      type = types.listOf types.str;
      internal = true;
      readOnly = true;
      default = lib.attrValues inherited;
      defaultText = literalExpression "[ ]";
      description = "Keys of the admins of the machine that a user is on: none of them is the user's own.";
    };
  };

  config.artifacts = {
    # It stores nothing that could be encrypted.
    narrow.dummy = _: { };
    problems =
      badNames ++ targetName ++ lib.concatMap (artifact: guarded (ofArtifact artifact)) (lib.attrValues cfg.store);
  };
}
