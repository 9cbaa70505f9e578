using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>Where an entry of a zip file has its bytes.</summary>
internal readonly record struct ZipEntry(long Offset, long Length);

/// <summary>Reads the directory of a zip file whose entries are stored without compression, as PyTorch writes them.</summary>
/// <remarks>
/// Its own reader because tensors are read in place, which needs each entry's offset, and because two views of one file are refused:
/// central directory and local headers must agree, entries must not overlap, nothing may follow the end record. (APPNOTE.TXT 4.3 and 4.5.3.)
/// Compressed entries are refused, so a zip bomb cannot be stated.
/// </remarks>
internal static class ZipDirectory
{
    public const uint LocalSignature = 0x04034b50;
    private const uint CentralSignature = 0x02014b50;
    private const uint EndSignature = 0x06054b50;
    private const uint End64Signature = 0x06064b50;
    private const uint Locator64Signature = 0x07064b50;
    private const int LocalSize = 30;
    private const int CentralSize = 46;
    private const int EndSize = 22;
    private const int Locator64Size = 20;
    private const int End64Size = 56;

    // Bits 1 and 2 are hints to a compressor, 3: sizes follow the data, 11: names are UTF-8. Everything else changes how bytes are read.
    private const int HarmlessFlags = 0b1000_0000_1110;
    private const int EncryptionFlags = 0b0010_0000_0100_0001;
    private const int SizesFollowFlag = 0b1000;

    /// <summary>All entries by name.</summary>
    /// <exception cref="CheckpointFormatException">A rule is broken.</exception>
    public static Dictionary<string, ZipEntry> Read(ByteSource source)
    {
        var (directoryOffset, directorySize, count) = FindDirectory(source);
        var directory = source.ReadArray(directoryOffset, directorySize);
        var entries = new Dictionary<string, ZipEntry>(StringComparer.Ordinal);
        var extents = new List<(long Begin, long End, string Name)>();
        var position = 0;
        for (var i = 0L; i < count; i++)
        {
            var entry = ReadCentral(source, directory, directoryOffset, ref position);
            var data = CheckLocal(source, entry, directoryOffset);
            if (!entries.TryAdd(entry.Name, data))
                throw Broken(source, entry.HeaderOffset, $"two zip entries have the name {PickleText.Quote(entry.Name)}");
            extents.Add((entry.LocalOffset, data.Offset + data.Length, entry.Name));
        }

        if (position != directorySize)
            throw Broken(source, directoryOffset + position, $"the zip directory has {directorySize - position} bytes after its last entry");
        extents.Sort();
        for (var i = 1; i < extents.Count; i++)
        {
            if (extents[i].Begin < extents[i - 1].End)
                throw Broken(source, extents[i].Begin, $"the zip entries {PickleText.Quote(extents[i - 1].Name)} and {PickleText.Quote(extents[i].Name)} overlap");
        }

        return entries;
    }

    private static (long Offset, int Size, long Count) FindDirectory(ByteSource source)
    {
        if (source.Length < EndSize)
            throw Broken(source, 0, "the zip file is too short for its end record");
        var endOffset = source.Length - EndSize;
        Span<byte> end = stackalloc byte[EndSize];
        source.Read(endOffset, end);
        if (U32(end) != EndSignature || U16(end[20..]) != 0)
            throw Broken(source, endOffset, "the file does not end with a zip end record without comment: it is cut off, or something was appended");
        if (U16(end[4..]) != 0 || U16(end[6..]) != 0 || U16(end[8..]) != U16(end[10..]))
            throw Broken(source, endOffset, "zip files in several parts are not read");
        long count = U16(end[10..]), size = U32(end[12..]), offset = U32(end[16..]);
        var directoryEnd = endOffset;

        Span<byte> locator = stackalloc byte[Locator64Size];
        if (endOffset >= Locator64Size + End64Size)
            source.Read(endOffset - Locator64Size, locator);
        if (U32(locator) == Locator64Signature)
        {
            directoryEnd = endOffset - Locator64Size - End64Size;
            Span<byte> end64 = stackalloc byte[End64Size];
            source.Read(directoryEnd, end64);
            if (U64(locator[8..]) != (ulong)directoryEnd || U32(end64) != End64Signature || U64(end64[4..]) != End64Size - 12
                || U32(end64[16..]) != 0 || U32(end64[20..]) != 0 || U32(locator[4..]) != 0 || U64(end64[24..]) != U64(end64[32..]))
                throw Broken(source, directoryEnd, "the zip64 end record is damaged");
            count = Widen(source, directoryEnd, count, ushort.MaxValue, U64(end64[32..]));
            size = Widen(source, directoryEnd, size, uint.MaxValue, U64(end64[40..]));
            offset = Widen(source, directoryEnd, offset, uint.MaxValue, U64(end64[48..]));
        }

        if (size > PickleLimits.ZipDirectoryBytes)
            throw Broken(source, endOffset, $"the zip directory has {size} bytes; at most {PickleLimits.ZipDirectoryBytes} are read");
        if (offset > directoryEnd || size != directoryEnd - offset)
            throw Broken(source, endOffset, $"the zip directory (byte {offset}, {size} bytes) does not end at byte {directoryEnd}, where its end record begins");
        if (count * CentralSize > size)
            throw Broken(source, endOffset, $"the zip directory of {size} bytes cannot hold {count} entries");
        return (offset, (int)size, count);
    }

    // A 32-bit field of a zip64 file is either all ones or the same number as its 64-bit twin.
    private static long Widen(ByteSource source, long offset, long narrow, long saturated, ulong wide) =>
        wide <= (ulong)PickleLimits.Number && (narrow == saturated || narrow == (long)wide)
            ? (long)wide
            : throw Broken(source, offset, $"the zip end records disagree ({narrow} and {wide})");

    private static CentralEntry ReadCentral(ByteSource source, byte[] directory, long directoryOffset, ref int position)
    {
        var at = directoryOffset + position;
        var header = directory.AsSpan(position);
        if (header.Length < CentralSize || U32(header) != CentralSignature)
            throw Broken(source, at, "no zip directory entry where one was announced");
        int flags = U16(header[8..]), method = U16(header[10..]), nameLength = U16(header[28..]), extraLength = U16(header[30..]), commentLength = U16(header[32..]);
        long compressed = U32(header[20..]), size = U32(header[24..]), localOffset = U32(header[42..]);
        var length = CentralSize + nameLength + extraLength + commentLength;
        if (length > header.Length)
            throw Broken(source, at, "a zip directory entry is longer than the directory");
        var nameBytes = header.Slice(CentralSize, nameLength);
        if (nameLength is 0 or > PickleLimits.ZipNameBytes || !Utf8.IsValid(nameBytes))
            throw Broken(source, at, $"the name of a zip entry is empty, longer than {PickleLimits.ZipNameBytes} bytes, or not UTF-8");
        var name = Encoding.UTF8.GetString(nameBytes);
        if ((flags & EncryptionFlags) != 0)
            throw Broken(source, at, $"the zip entry {PickleText.Quote(name)} is encrypted");
        if ((flags & ~HarmlessFlags) != 0)
            throw Broken(source, at, $"the zip entry {PickleText.Quote(name)} has the flags 0x{flags:x4}, which are not read");
        if (method != 0)
            throw Broken(source, at, $"the zip entry {PickleText.Quote(name)} is compressed (method {method}); PyTorch stores entries uncompressed, and only such are read");
        if (U16(header[34..]) != 0)
            throw Broken(source, at, "zip files in several parts are not read");

        var extra = header.Slice(CentralSize + nameLength, extraLength);
        while (!extra.IsEmpty)
        {
            if (extra.Length < 4 || U16(extra[2..]) > extra.Length - 4)
                throw Broken(source, at, $"the extra field of the zip entry {PickleText.Quote(name)} is damaged");
            var field = extra.Slice(4, U16(extra[2..]));
            if (U16(extra) == 1)
            {
                size = Take64(source, at, ref field, size);
                compressed = Take64(source, at, ref field, compressed);
                localOffset = Take64(source, at, ref field, localOffset);
            }

            extra = extra[(4 + U16(extra[2..]))..];
        }

        if (compressed != size)
            throw Broken(source, at, $"the zip entry {PickleText.Quote(name)} is stored uncompressed, yet has {compressed} bytes for {size}");
        var entry = new CentralEntry(name, nameBytes.ToArray(), flags, size, localOffset, at);
        position += length;
        return entry;
    }

    private static long Take64(ByteSource source, long at, ref Span<byte> field, long narrow)
    {
        if (narrow != uint.MaxValue)
            return narrow;
        if (field.Length < 8 || U64(field) > (ulong)PickleLimits.Number)
            throw Broken(source, at, "a zip64 field is damaged");
        var wide = (long)U64(field);
        field = field[8..];
        return wide;
    }

    private static ZipEntry CheckLocal(ByteSource source, CentralEntry entry, long directoryOffset)
    {
        var begin = entry.LocalOffset;
        var headerLength = LocalSize + entry.NameBytes.Length;
        if (begin > directoryOffset - headerLength)
            throw Broken(source, entry.HeaderOffset, $"the zip entry {PickleText.Quote(entry.Name)} begins at byte {begin}, outside of the entries");
        Span<byte> header = stackalloc byte[LocalSize + PickleLimits.ZipNameBytes];
        header = header[..headerLength];
        source.Read(begin, header);
        if (U32(header) != LocalSignature || U16(header[26..]) != entry.NameBytes.Length || !header[LocalSize..].SequenceEqual(entry.NameBytes)
            || U16(header[6..]) != entry.Flags || U16(header[8..]) != 0)
            throw Broken(source, begin, $"the zip entry {PickleText.Quote(entry.Name)} has another header here than in the directory");
        foreach (var size in (ReadOnlySpan<uint>)[U32(header[18..]), U32(header[22..])])
        {
            var deferred = size == uint.MaxValue || (size == 0 && (entry.Flags & SizesFollowFlag) != 0);
            if (!deferred && size != entry.Size)
                throw Broken(source, begin, $"the zip entry {PickleText.Quote(entry.Name)} has {size} bytes here and {entry.Size} in the directory");
        }

        var data = begin + headerLength + U16(header[28..]);
        if (data > directoryOffset || entry.Size > directoryOffset - data)
            throw Broken(source, begin, $"the zip entry {PickleText.Quote(entry.Name)} of {entry.Size} bytes does not fit before the directory at byte {directoryOffset}");
        return new ZipEntry(data, entry.Size);
    }

    private static ushort U16(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    private static uint U32(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    private static ulong U64(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64LittleEndian(bytes);

    private static CheckpointFormatException Broken(ByteSource source, long offset, string reason) => new(reason, source.Name, offset);

    private readonly record struct CentralEntry(string Name, byte[] NameBytes, int Flags, long Size, long LocalOffset, long HeaderOffset);
}
