# Ask the program for its options.
complete -c ganeti-confd -f
for line in (ganeti-confd --help-completion 2>/dev/null)
    set -l option (string split ' ' -- $line)
    set -l names
    for name in (string split , -- $option[1])
        if string match -q -- '--*' $name
            set -a names -l (string sub -s 3 -- $name)
        else
            set -a names -s (string sub -s 2 -- $name)
        end
    end
    switch $option[2]
        case none
            complete -c ganeti-confd $names
        case file
            complete -c ganeti-confd $names -r -F
        case 'choices=*'
            complete -c ganeti-confd $names -x -a (string replace -a , ' ' -- (string sub -s 9 -- $option[2]))
        case '*'
            complete -c ganeti-confd $names -x
    end
end
