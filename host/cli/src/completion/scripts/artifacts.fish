# Completion of artifacts for fish. The shell quotes what is inserted; nothing of the line or of a name is run.
function __artifacts_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command artifacts complete fish -- $before "$current" 2>/dev/null)
    if test "$lines[1]" = files
        __fish_complete_path "$current"
    else if set -q lines[2]
        printf '%s\n' $lines[2..-1]
    end
end
complete -c artifacts -f -a '(__artifacts_complete)'
