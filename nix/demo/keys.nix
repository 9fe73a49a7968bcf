# The public halves of the keys that read the secrets: a machine's is what `ssh-keyscan -t ed25519 web1 | cut -d' ' -f2-` prints,
# a person's what `age-keygen -y FILE` prints, or the `.pub` of an ssh key. Nothing is stored before they are real ones.
{
  web1 = "<put the key of web1 into keys.nix>";
  web2 = "<put the key of web2 into keys.nix>";
  alice = "<put the key of alice into keys.nix>";
  admin = "<put your own key into keys.nix>";
}
