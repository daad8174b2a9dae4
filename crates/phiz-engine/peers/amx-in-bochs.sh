#!/bin/sh
# Runs the kernels' tests on AMX in an emulator, since few of us have a processor with it.
#
#     peers/amx-in-bochs.sh BOCHS [TESTS…]
#
# BOCHS is the folder `bochs` of a checkout of https://github.com/bochs-emu/Bochs (of 2026 or later: its processor model
# sapphire_rapids has AMX). TESTS are names of tests, with PROPTEST_CASES in the environment for the number of random
# shapes (12); without names those that multiply. Needs a C++ compiler, make, Cargo, python3, and
# Debian's apt-get for a kernel and a boot loader, which are unpacked beside what is built, in WORK
# (target/amx-in-bochs), and not installed. The first run takes about a quarter of an hour on two cores,
# others a few minutes.
#
# Bochs of August 2026 is not whole in two places, and a copy of its source is corrected before it is built:
# - TDPBUSD multiplies weights as bytes without a sign, against Intel's manual.
# - There is no extended feature disable (XFD: two registers, and an exception when a process first touches AMX's
#   registers), without which Linux gives AMX to nobody.
set -eu

[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
bochs=$(cd "$1" && pwd)
shift
tests=${*:-amx_runs convolutions_are eight_bits}
engine=$(cd "$(dirname "$0")/.." && pwd)
work=${WORK:-$engine/../../target/amx-in-bochs}
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$work"

# The emulator.
if [ ! -x build/bochs ]; then
    rm -rf source build
    cp -r "$bochs" source
    python3 - source <<'PYTHON'
import os, re, sys
root = sys.argv[1]
def change(name, *pairs):
    path = os.path.join(root, "cpu", name)
    text = open(path, encoding="latin-1").read()
    for old, new in pairs:
        if text.count(old) != 1:
            sys.exit(f"{path}: {old!r} stands there {text.count(old)} times; this version of Bochs is another one")
        text = text.replace(old, new)
    open(path, "w", encoding="latin-1").write(text)
change("cpuid.cc", ("      leaf->eax |= (1<<3);\n\n    // EBX[31:00] - The size (in bytes) of the XSAVE area",
    "      leaf->eax |= (1<<3) | (1<<4);\n\n    // EBX[31:00] - The size (in bytes) of the XSAVE area"))
change("crregs.cc", ("[xcr0_t::BX_XCR0_XTILEDATA_BIT].attr   = BX_XSAVE_ALIGN64;",
    "[xcr0_t::BX_XCR0_XTILEDATA_BIT].attr   = BX_XSAVE_ALIGN64 | BX_XSAVE_XFD_SUPPORT;"))
registers = "Bit64u ia32_xfd, ia32_xfd_error; // of the one processor\n"
known = '("MSR_IA32_XSS", BX_ISA_XSAVES, ~Bit64u(get_ia32_xss_allow_mask()));\n'
head = "#define LOG_THIS BX_CPU_THIS_PTR\n"
change("msr.cc", (head, head + registers),
    (known, known + "".join(
        f'  msr_desc[BX_MSR_{name}] = new MSR_Descriptor("MSR_{name}", BX_ISA_XSAVES, ~Bit64u(BX_XCR0_XTILEDATA_MASK));\n'
        for name in ["IA32_XFD", "IA32_XFD_ERROR"])),
    ("      val64 = BX_CPU_THIS_PTR msr.ia32_xss;\n      break;\n", "      val64 = BX_CPU_THIS_PTR msr.ia32_xss;\n      break;\n"
        "    case BX_MSR_IA32_XFD: val64 = ia32_xfd; break;\n"
        "    case BX_MSR_IA32_XFD_ERROR: val64 = ia32_xfd_error; break;\n"),
    ("      BX_CPU_THIS_PTR msr.ia32_xss = val_64;\n      break;\n", "      BX_CPU_THIS_PTR msr.ia32_xss = val_64;\n      break;\n"
        "    case BX_MSR_IA32_XFD: ia32_xfd = val_64; handleAvxModeChange(); break;\n"
        "    case BX_MSR_IA32_XFD_ERROR: ia32_xfd_error = val_64; break;\n"))
data = "(ia32_xfd & BX_XCR0_XTILEDATA_MASK) != 0"
change("proc_ctrl.cc", (head, head + "extern " + registers),
    ("(BX_XCR0_XTILECFG_MASK | BX_XCR0_XTILEDATA_MASK)) != 0)\n    clear_amx_ok();",
     "(BX_XCR0_XTILECFG_MASK | BX_XCR0_XTILEDATA_MASK)) != 0 || " + data + ")\n    clear_amx_ok();"),
    ("  if (~BX_CPU_THIS_PTR xcr0.get32() & (BX_XCR0_XTILECFG_MASK | BX_XCR0_XTILEDATA_MASK))\n    exception(BX_UD_EXCEPTION, 0);\n",
     "  if (~BX_CPU_THIS_PTR xcr0.get32() & (BX_XCR0_XTILECFG_MASK | BX_XCR0_XTILEDATA_MASK))\n    exception(BX_UD_EXCEPTION, 0);\n"
     "  if (" + data + ") {\n    ia32_xfd_error = BX_XCR0_XTILEDATA_MASK;\n    exception(BX_NM_EXCEPTION, 0);\n  }\n"))
path = os.path.join(root, "cpu", "avx", "amx.cc")
text = open(path).read()
begin = text.index("Bit32u DPBDUS(")
end = text.index("}\n\n", begin)
body = re.sub(r"Bit32s\(ybyte\[", "Bit32s((Bit8s)ybyte[", text[begin:end])
open(path, "w").write(text[:begin] + body + text[end:])
PYTHON
    mkdir build
    (cd build && ../source/configure --enable-cpu-level=6 --enable-x86-64 --enable-avx --enable-evex --enable-amx \
        --enable-handlers-chaining --enable-fast-function-calls --enable-repeat-speedups --enable-pci \
        --with-nogui --disable-docbook --disable-plugins > configure.log && make -j"$(nproc)" > make.log 2>&1)
fi

# A kernel that keeps AMX's registers (Linux 5.16 and later), and a boot loader.
if [ ! -d debian ]; then
    mkdir -p packages
    kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
    (cd packages && apt-get download "$kernel" isolinux syslinux-common genisoimage)
    for package in packages/*.deb; do dpkg-deb -x "$package" debian; done
fi

# The tests.
binary=$(cd "$engine" && cargo test -p phiz-engine --lib --no-run --message-format=json |
    python3 -c '
import json, sys
for line in sys.stdin:
    line = json.loads(line)
    if line.get("executable") and line["target"]["name"] == "phiz_engine":
        print(line["executable"])')

# A disk image: the test program is the only process, called by itself as /init.
cat > init.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    mknod("/console", S_IFCHR | 0600, makedev(5, 1));
    int console = open("/console", O_RDWR);
    dup2(console, 0), dup2(console, 1), dup2(console, 2);
    if (fork() == 0) {
        setenv("PHIZ_DEMANDS_AMX", "1", 1);
        setenv("RUST_BACKTRACE", "0", 1);
        setenv("PROPTEST_CASES", CASES, 1);
        char *arguments[] = { "/tests", "--test-threads=1", "--nocapture", TESTS, NULL };
        execv("/tests", arguments);
        perror("/tests");
        _exit(127);
    }
    int status = 0;
    wait(&status);
    printf("exit status %d, signal %d\n", WEXITSTATUS(status), WTERMSIG(status));
    fflush(stdout);
    sleep(1);
    reboot(RB_POWER_OFF);
}
C
list=$(printf '"%s",' $tests)
cc -O1 "-DCASES=\"${PROPTEST_CASES:-12}\"" "-DTESTS=${list%,}" -o init init.c
strip -o tests "$binary"
rm -rf disk && mkdir disk
libraries=$(ldd tests init | grep -o '/[^ ]*\.so[^ ]*' | sort -u)
python3 - disk/init.img $libraries <<'PYTHON'
import os, sys
out = open(sys.argv[1], "wb")
def entry(name, mode, data):
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
    out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
entry("init", 0o100755, open("init", "rb").read())
entry("tests", 0o100755, open("tests", "rb").read())
folders = set()
for library in sys.argv[2:]:
    folder = os.path.dirname(library)[1:]
    for end in range(1, folder.count("/") + 2):
        part = "/".join(folder.split("/")[:end])
        if part not in folders:
            folders.add(part)
            entry(part, 0o40755, b"")
    entry(library[1:], 0o100755, open(library, "rb").read())
entry("TRAILER!!!", 0, b"")
PYTHON
cp debian/boot/vmlinuz-* disk/vmlinuz
cp debian/usr/lib/ISOLINUX/isolinux.bin debian/usr/lib/syslinux/modules/bios/ldlinux.c32 disk/
cat > disk/isolinux.cfg <<'CONFIG'
serial 0 115200
default tests
prompt 0
label tests
    kernel vmlinuz
    append initrd=init.img console=ttyS0 nosmp mitigations=off tsc=reliable lpj=1000000 random.trust_cpu=on quiet panic=-1
CONFIG
debian/usr/bin/genisoimage -quiet -o disk.iso -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table disk
cat > bochsrc <<CONFIG
display_library: nogui
cpu: model=sapphire_rapids, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest=512, host=512
romimage: file=$bochs/bios/BIOS-bochs-latest
vgaromimage: file=$bochs/bios/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin
ata0-master: type=cdrom, path=disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial.log
log: bochs.log
panic: action=fatal
speaker: enabled=0
CONFIG
rm -f serial.log
build/bochs -q -f bochsrc > bochs.out 2>&1 || true
cat serial.log
grep -q "exit status 0, signal 0" serial.log
