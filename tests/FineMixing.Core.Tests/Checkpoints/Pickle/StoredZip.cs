using System.Text;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Writes zip files as PyTorch does: sizes after the data, padding before it, zip64 end records.</summary>
internal static class StoredZip
{
    public static byte[] Write(byte[] pickle, params (string Key, byte[] Bytes)[] storages)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        var entries = new List<(byte[] Name, uint Size, uint Offset)>();
        foreach (var (name, bytes) in (IEnumerable<(string, byte[])>)[("a/data.pkl", pickle), ("a/byteorder", "little"u8.ToArray()), .. storages.Select(s => ($"a/data/{s.Key}", s.Bytes))])
        {
            entries.Add((Encoding.UTF8.GetBytes(name), (uint)bytes.Length, (uint)stream.Position));
            writer.Write(0x04034b50);
            Shared(writer, 0, 0, entries[^1].Name.Length, 8);
            writer.Write(entries[^1].Name);
            writer.Write([(byte)'F', (byte)'B', 4, 0, (byte)'Z', (byte)'Z', (byte)'Z', (byte)'Z']);
            writer.Write(bytes);
            writer.Write(0x08074b50);
            writer.Write(0);
            writer.Write(bytes.Length);
            writer.Write(bytes.Length);
        }

        var directory = (uint)stream.Position;
        foreach (var (name, size, offset) in entries)
        {
            writer.Write(0x02014b50);
            writer.Write((short)0);
            Shared(writer, size, size, name.Length, 0);
            writer.Write(new byte[10]);
            writer.Write(offset);
            writer.Write(name);
        }

        var end = stream.Position;
        writer.Write(0x06064b50);
        writer.Write(44L);
        writer.Write(0x002d031e);
        writer.Write(0L);
        writer.Write((long)entries.Count);
        writer.Write((long)entries.Count);
        writer.Write(end - directory);
        writer.Write((long)directory);
        writer.Write(0x07064b50);
        writer.Write(0);
        writer.Write(end);
        writer.Write(1);
        writer.Write(0x06054b50);
        writer.Write(0);
        writer.Write((short)entries.Count);
        writer.Write((short)entries.Count);
        writer.Write((uint)(end - directory));
        writer.Write(directory);
        writer.Write((short)0);
        return stream.ToArray();
    }

    private static void Shared(BinaryWriter writer, uint compressed, uint size, int name, int extra)
    {
        writer.Write((short)0);
        writer.Write((short)0x0808);
        writer.Write((short)0);
        writer.Write(0);
        writer.Write(0);
        writer.Write(compressed);
        writer.Write(size);
        writer.Write((short)name);
        writer.Write((short)extra);
    }
}
