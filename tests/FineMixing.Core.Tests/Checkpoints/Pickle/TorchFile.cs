using System.IO.Compression;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Pickle;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Writes PyTorch zip files, and opens bytes as one.</summary>
internal static class TorchFile
{
    /// <summary>0, 1, 2, ... as single-precision bytes.</summary>
    public static byte[] Floats(int count) => MemoryMarshal.AsBytes<float>([.. Enumerable.Range(0, count).Select(i => (float)i)]).ToArray();

    public static byte[] Zip(byte[] pickle, params (string Key, byte[] Bytes)[] storages) =>
        Zip([("a/data.pkl", pickle), ("a/byteorder", "little"u8.ToArray()), .. storages.Select(s => ($"a/data/{s.Key}", s.Bytes)), ("a/version", "3\n"u8.ToArray())], CompressionLevel.NoCompression);

    public static byte[] Zip((string Name, byte[] Bytes)[] entries, CompressionLevel level)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, bytes) in entries)
            {
                using var entry = zip.CreateEntry(name, level).Open();
                entry.Write(bytes);
            }
        }

        return stream.ToArray();
    }

    /// <summary>A file with the tensor 'w' of 6 numbers in the shape [2, 3].</summary>
    public static byte[] Small() => Zip(new PickleAssembler().EmptyDict().Text("w").Tensor("0", 6, 0, [2, 3], [3, 1]).SetItem().Stop().ToArray(), ("0", Floats(6)));

    public static PickleCheckpoint Open(byte[] bytes, Microsoft.Extensions.Logging.ILogger? logger = null) => PickleCheckpoint.Open(new MemoryBytes(bytes, "test.bin"), logger);

    /// <summary>Opens, and reads every tensor.</summary>
    public static StateDict Load(byte[] bytes)
    {
        using var checkpoint = Open(bytes);
        return StateDict.Load(checkpoint);
    }

    public static CheckpointFormatException Refused(byte[] bytes) => Assert.Throws<CheckpointFormatException>(() => Load(bytes));
}
