#!/bin/sh
# A C++ compiler for a machine that has none: prints the settings of CC and CXX, for `eval`.
#
#     sh native/zig.sh PYTHON FOLDER
#
# Where the machine has a compiler, or CXX names one, it prints nothing. Otherwise it installs Zig's
# from the package index (`ziglang`, 400 MB) and writes wrappers to FOLDER, which comes first on the PATH: CMake looks there
# for `ar` and `ranlib`.
set -eu
python=$1 folder=$2
if [ -n "${CXX:-}" ] || command -v c++ > /dev/null || command -v g++ > /dev/null || command -v clang++ > /dev/null; then
    exit 0
fi
echo "no C++ compiler found: taking ziglang from the package index" >&2
"$python" -m pip install --quiet ziglang >&2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
for name in cc c++ ar ranlib; do
    printf '#!/bin/sh\nexec "%s" -m ziglang %s "$@"\n' "$python" "$name" > "$folder/$name"
    chmod +x "$folder/$name"
done
echo "export CC='$folder/cc' CXX='$folder/c++' PATH='$folder':\"\$PATH\""
