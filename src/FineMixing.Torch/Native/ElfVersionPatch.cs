using System.Buffers.Binary;
using System.Text;

namespace FineMixing.Torch.Native;

/// <summary>
/// Reads and relaxes the symbol-version requirements of a 64-bit little-endian ELF library.
/// </summary>
/// <remarks>
/// libLibTorchSharp.so 0.107.0 is built with GCC 13 and asks libstdc++ for GLIBCXX_3.4.32. The only symbol behind it,
/// <c>std::ios_base_library_init()</c>, is a marker that no relocation uses. On systems with an older libstdc++ the
/// requirement can therefore be made weak (<c>VER_FLG_WEAK</c>) without changing what the library does.
/// GLIBCXX_3.4.30 (missing on RHEL 9) has one used symbol, <c>std::condition_variable::wait</c>, which every libstdc++ since
/// 3.4.11 exports under that older version with the same ABI; its reference is moved there.
/// </remarks>
internal static class ElfVersionPatch
{
    private const ushort WeakFlag = 0x2;
    private const string Wait = "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE";
    private const string WaitVersion = "GLIBCXX_3.4.11";

    /// <summary>The versions that a library requires from another, for example GLIBCXX_3.4.32 from libstdc++.so.6.</summary>
    public static IReadOnlyList<string> RequiredVersions(byte[] elf, string fromLibrary) =>
        [.. Needs(elf).Where(n => n.Library == fromLibrary).Select(n => n.Version)];

    /// <summary>The versions a library defines.</summary>
    public static IReadOnlySet<string> DefinedVersions(byte[] elf)
    {
        var result = new HashSet<string>(StringComparer.Ordinal);
        if (!TryFindSection(elf, 0x6ffffffd, out var section))
            return result;
        var strings = SectionAt(elf, section.Link);
        var at = section.Offset;
        for (var i = 0; i < section.Info; i++)
        {
            var aux = at + U32(elf, at + 12);
            result.Add(Text(elf, strings.Offset + U32(elf, aux)));
            var next = U32(elf, at + 16);
            if (next == 0)
                break;
            at += next;
        }

        return result;
    }

    /// <summary>The symbols that a library takes from others, without those it can do without (weak ones).</summary>
    public static IReadOnlyList<string> UndefinedSymbols(byte[] elf)
    {
        const uint DynamicSymbols = 11;
        if (!TryFindSection(elf, DynamicSymbols, out var symbols))
            return [];
        var strings = SectionAt(elf, symbols.Link);
        var result = new List<string>();
        for (var at = symbols.Offset; at < symbols.Offset + symbols.Size; at += 24)
        {
            var (global, undefined) = (elf[at + 4] >> 4 == 1, U16(elf, at + 6) == 0);
            if (global && undefined)
                result.Add(Text(elf, strings.Offset + U32(elf, at)));
        }

        return result;
    }

    /// <summary>Makes the given missing versions weak. Returns a patched copy.</summary>
    /// <exception cref="NotSupportedException">A missing version has symbols in use that no older version offers.</exception>
    public static byte[] Relax(byte[] elf, string fromLibrary, IReadOnlySet<string> available)
    {
        var patched = (byte[])elf.Clone();
        var needs = Needs(elf).Where(n => n.Library == fromLibrary).ToList();
        var missing = needs.Where(n => !available.Contains(n.Version)).ToList();
        var used = UsedSymbols(elf);
        var blocked = new List<string>();
        foreach (var need in missing)
        {
            foreach (var (index, name) in SymbolsOfVersion(elf, need.Index).Where(s => used.Contains(s.Index)))
            {
                var older = needs.FirstOrDefault(n => n.Version == WaitVersion);
                if (name == Wait && older is not null && available.Contains(WaitVersion))
                    BinaryPrimitives.WriteUInt16LittleEndian(patched.AsSpan((int)(VersymTable(elf).Offset + (2L * index))), older.Index);
                else
                    blocked.Add($"{name}@{need.Version}");
            }

            var flags = U16(elf, need.FlagsOffset);
            BinaryPrimitives.WriteUInt16LittleEndian(patched.AsSpan((int)need.FlagsOffset), (ushort)(flags | WeakFlag));
        }

        return blocked.Count == 0 ? patched : throw new NotSupportedException($"{fromLibrary} lacks {string.Join(", ", blocked)}");
    }

    private sealed record Need(string Library, string Version, ushort Index, long FlagsOffset);

    private readonly record struct Section(uint Type, long Offset, long Size, uint Link, uint Info, long EntrySize);

    private static IEnumerable<Need> Needs(byte[] elf)
    {
        if (!TryFindSection(elf, 0x6ffffffe, out var section))
            yield break;
        var strings = SectionAt(elf, section.Link);
        var at = section.Offset;
        for (var i = 0; i < section.Info; i++)
        {
            var library = Text(elf, strings.Offset + U32(elf, at + 4));
            var aux = at + U32(elf, at + 8);
            for (var j = 0; j < U16(elf, at + 2); j++)
            {
                yield return new Need(library, Text(elf, strings.Offset + U32(elf, aux + 8)), U16(elf, aux + 6), aux + 4);
                aux += U32(elf, aux + 12);
            }

            var next = U32(elf, at + 12);
            if (next == 0)
                break;
            at += next;
        }
    }

    private static Section VersymTable(byte[] elf) =>
        TryFindSection(elf, 0x6fffffff, out var section) ? section : throw new BadImageFormatException("The library has no symbol version table.");

    private static IEnumerable<(int Index, string Name)> SymbolsOfVersion(byte[] elf, ushort version)
    {
        var versions = VersymTable(elf);
        var symbols = SectionAt(elf, versions.Link);
        var strings = SectionAt(elf, symbols.Link);
        for (var i = 0; i < versions.Size / 2; i++)
        {
            if ((U16(elf, versions.Offset + (2L * i)) & 0x7fff) == version)
                yield return (i, Text(elf, strings.Offset + U32(elf, symbols.Offset + (24L * i))));
        }
    }

    // Symbols that a relocation refers to; the others only record that an object file was compiled against them.
    private static HashSet<int> UsedSymbols(byte[] elf)
    {
        var used = new HashSet<int>();
        foreach (var section in Sections(elf).Where(s => s.Type == 4))
        {
            for (var at = section.Offset; at < section.Offset + section.Size; at += 24)
                used.Add((int)U32(elf, at + 12));
        }

        return used;
    }

    private static IEnumerable<Section> Sections(byte[] elf)
    {
        if (elf.Length < 64 || U32(elf, 0) != 0x464c457f || elf[4] != 2 || elf[5] != 1)
            throw new BadImageFormatException("Not a 64-bit little-endian ELF file.");
        var count = U16(elf, 60);
        for (uint i = 0; i < count; i++)
            yield return SectionAt(elf, i);
    }

    private static bool TryFindSection(byte[] elf, uint type, out Section section)
    {
        foreach (var candidate in Sections(elf))
        {
            if (candidate.Type == type)
            {
                section = candidate;
                return true;
            }
        }

        section = default;
        return false;
    }

    private static Section SectionAt(byte[] elf, uint index)
    {
        var at = (long)BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan(40)) + (index * (long)U16(elf, 58));
        return new Section(
            U32(elf, at + 4),
            (long)BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan((int)at + 24)),
            (long)BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan((int)at + 32)),
            U32(elf, at + 40),
            U32(elf, at + 44),
            (long)BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan((int)at + 56)));
    }

    private static ushort U16(byte[] elf, long at) => BinaryPrimitives.ReadUInt16LittleEndian(elf.AsSpan((int)at));

    private static uint U32(byte[] elf, long at) => BinaryPrimitives.ReadUInt32LittleEndian(elf.AsSpan((int)at));

    private static string Text(byte[] elf, long at)
    {
        var span = elf.AsSpan((int)at);
        return Encoding.ASCII.GetString(span[..span.IndexOf((byte)0)]);
    }
}
