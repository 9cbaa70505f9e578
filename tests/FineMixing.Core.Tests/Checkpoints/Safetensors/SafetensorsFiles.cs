using System.Buffers.Binary;
using System.Text;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Safetensors;

/// <summary>Builds the bytes of safetensors files, right and wrong ones.</summary>
internal static class SafetensorsFiles
{
    public static byte[] File(string header, int dataBytes) => File(Encoding.UTF8.GetBytes(header), dataBytes);

    public static byte[] File(ReadOnlySpan<byte> header, int dataBytes, ulong? length = null)
    {
        var file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, length ?? (ulong)header.Length);
        header.CopyTo(file.AsSpan(8));
        return file;
    }

    public static SafetensorsHeader Parse(byte[] file) => SafetensorsHeader.Read(new MemoryStream(file), file.Length, "test.safetensors");
}
