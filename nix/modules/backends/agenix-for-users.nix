# Files that must be there before a unit makes the users. agenix' own unit comes after that one, so a unit of ours decrypts these, with
# agenix' program and identities, into RAM.
{
  lib,
  config,
  pkgs,
  makesUsers, # the units that make users
  files, # each with `artifact` and `stored`, its store path
}:
let
  quote = lib.escapeShellArg;
  dir = "/run/artifacts-for-users";
  age = config.age.ageBin or "${pkgs.age}/bin/age";
  plainOf = { artifact, file, ... }: quote "${dir}/${artifact.name}/${file.name}";

  # In one step each, so that nobody who waits for a file sees none.
  install =
    one:
    let
      inherit (one) artifact file stored;
      plain = plainOf one;
      new = quote "${dir}/${artifact.name}/${file.name}.new";
    in
    ''
      mkdir -p ${quote "${dir}/${artifact.name}"} ${quote (dirOf file.path)}
      (umask 0077; ${age} --decrypt "$@" -o ${new} ${stored})
      chmod ${quote file.mode} ${new}
      mv -fT ${new} ${plain}
      ln -sfnT ${plain} ${quote file.path}
    '';
in
{
  description = "Decryption of artifacts that users need";
  wantedBy = makesUsers;
  before = makesUsers ++ [ "shutdown.target" ];
  conflicts = [ "shutdown.target" ];
  after = [ "systemd-remount-fs.service" ];
  path = [ pkgs.coreutils ];
  unitConfig.DefaultDependencies = false;
  serviceConfig = {
    Type = "oneshot";
    RemainAfterExit = true;
  };
  script = ''
    set -e
    set --
    for identity in ${lib.escapeShellArgs config.age.identityPaths}; do
      if test -r "$identity"; then set -- "$@" -i "$identity"; fi
    done
    ${lib.concatMapStrings install files}
    for old in ${dir}/*/* ${dir}/*/.[!.]*; do
      case "$old" in
        ${lib.concatMapStringsSep " | " plainOf files}) ;;
        *) rm -f "$old" ;;
      esac
    done
  '';
}
