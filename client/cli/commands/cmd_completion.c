/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x completion: what a shell reads to offer words when Tab is pressed. The scripts only carry
 * words to and fro; which of them fit is said by `int8x --complete` (guide/complete.c), from the
 * tables of this very program.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/commands/commands.h"

/* bash cuts words at = and : too, so the line is cut at blanks alone and answers lose what bash has
 * as a word of its own. */
static const char bash[] =
    "# bash completion for int8x, made by: int8x completion bash\n"
    "_int8x() {\n"
    "    local words word line ending=: cut\n"
    "    read -ra words <<<\"${COMP_LINE:0:COMP_POINT}\"\n"
    "    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=(\"\")\n"
    "    word=${words[${#words[@]}-1]}\n"
    "    cut=${word%\"${word##*[=:]}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :*) ending=$line ;;\n"
    "        *) line=${line%%$'\\t'*}; COMPREPLY+=(\"${line#\"$cut\"}\") ;;\n"
    "        esac\n"
    "    done < <(\"${words[0]}\" --complete \"${words[@]:1}\" 2>/dev/null)\n"
    "    case $ending in\n"
    "    :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "
    "\"${word#\"$cut\"}\") ;;\n"
    "    :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "
    "\"${word#\"$cut\"}\") ;;\n"
    "    esac\n"
    "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
    "    return 0\n"
    "}\n"
    "complete -F _int8x int8x\n";

static const char zsh[] =
    "#compdef int8x\n"
    "# zsh completion for int8x, made by: int8x completion zsh\n"
    "_int8x() {\n"
    "    local line ending=:\n"
    "    local -a found open\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :*) ending=$line ;;\n"
    "        *=$'\\t'*) open+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        *) found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        esac\n"
    "    done < <(\"${(Q)words[1]}\" --complete \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    case $ending in\n"
    "    :files) _files ;;\n"
    "    :folders) _files -/ ;;\n"
    "    *)\n"
    "        if (( ${#open} )); then _describe int8x open -S ''; fi\n"
    "        if (( ${#found} )); then _describe int8x found; fi\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "if [ \"${funcstack[1]}\" = _int8x ]; then _int8x \"$@\"; else compdef _int8x int8x; fi\n";

static const char fish[] =
    "# fish completion for int8x, made by: int8x completion fish\n"
    "function __int8x_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l last (commandline -ct)\n"
    "    for line in ($words[1] --complete $words[2..-1] \"$last\" 2>/dev/null)\n"
    "        switch $line\n"
    "            case ':files'\n"
    "                __fish_complete_path \"$last\"\n"
    "            case ':folders'\n"
    "                __fish_complete_directories \"$last\"\n"
    "            case ':*'\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c int8x -f -a '(__int8x_complete)'\n";

static i8x_status completion(const i8x_options *options)
{
    static const struct {
        const char *shell, *script;
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (int i = 0; i < I8X_COUNT(shells); i++)
        if (strcmp(shells[i].shell, options->positional[0]) == 0) {
            printf("%s", shells[i].script);
            return I8X_OK;
        }
    I8X_FAIL(I8X_EARG, "'%.60s' is none of bash, zsh, fish", options->positional[0]);
}

const i8x_command i8x_cmd_completion = {"completion",
                                        "bash|zsh|fish",
                                        "prints what a shell reads to complete words of int8x",
                                        NULL,
                                        0,
                                        1,
                                        1,
                                        false,
                                        completion};
