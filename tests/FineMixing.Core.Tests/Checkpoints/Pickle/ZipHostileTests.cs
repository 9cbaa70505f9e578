using System.Buffers.Binary;
using System.IO.Compression;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Zip files that say different things to different readers, or ask for more than they hold.</summary>
public class ZipHostileTests
{
    private const int LocalSignature = 0x04034b50;
    private const int CentralSignature = 0x02014b50;

    [Fact]
    public void Load_SmallFile_IsRead() => Assert.Equal(TorchFile.Floats(6), TorchFile.Load(TorchFile.Small())["w"].Bytes);

    [Fact]
    public void Load_CompressedEntries_AreRefusedSoThatNoBombCanBeStated()
    {
        var bomb = TorchFile.Zip([("a/data.pkl", new byte[10 << 20])], CompressionLevel.SmallestSize);
        Assert.True(bomb.Length < 20_000);
        Assert.Contains("compressed (method 8)", TorchFile.Refused(bomb).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TwoEntriesOfOneName_AreRefused()
    {
        var pickle = new PickleAssembler().EmptyDict().Stop().ToArray();
        var file = TorchFile.Zip([("a/data.pkl", pickle), ("a/data.pkl", pickle)], CompressionLevel.NoCompression);
        Assert.Contains("two zip entries", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a/data.pkl", "b/data.pkl", "has 2")]
    [InlineData("data.pkl", "x", "has 0")]
    [InlineData("a/b/data.pkl", "x", "has 0")]
    [InlineData("a/data.pkl", "a/constants.pkl", "TorchScript")]
    public void Load_OtherContent_IsRefused(string first, string second, string message)
    {
        var pickle = new PickleAssembler().EmptyDict().Stop().ToArray();
        Assert.Contains(message, TorchFile.Refused(TorchFile.Zip([(first, pickle), (second, pickle)], CompressionLevel.NoCompression)).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("big")]
    [InlineData("little\n")]
    [InlineData("")]
    public void Load_OtherByteOrder_IsRefused(string order)
    {
        var file = TorchFile.Zip([("a/data.pkl", new PickleAssembler().EmptyDict().Stop().ToArray()), ("a/byteorder", System.Text.Encoding.ASCII.GetBytes(order))], CompressionLevel.NoCompression);
        Assert.Contains("byte order", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_BytesAfterThePickle_AreRefused()
    {
        var file = TorchFile.Zip(new PickleAssembler().EmptyDict().Stop().Stop().ToArray());
        Assert.Contains("1 bytes follow", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    /// <summary>Field of the first header of that kind, what is written there, and part of the expected message.</summary>
    [Theory]
    [InlineData(CentralSignature, 8, 2, 0x0001, "encrypted")]
    [InlineData(CentralSignature, 8, 2, 0x0041, "encrypted")]
    [InlineData(CentralSignature, 8, 2, 0x2000, "encrypted")]
    [InlineData(CentralSignature, 8, 2, 0x0020, "flags 0x0020")]
    [InlineData(CentralSignature, 10, 2, 12, "compressed (method 12)")]
    [InlineData(CentralSignature, 20, 4, 1, "stored uncompressed, yet")]
    [InlineData(CentralSignature, 24, 4, 1, "stored uncompressed, yet")]
    [InlineData(CentralSignature, 24, 4, -1, "stored uncompressed, yet")]
    [InlineData(CentralSignature, 28, 2, 0, "is empty")]
    [InlineData(CentralSignature, 28, 2, 0xFFFF, "longer than the directory")]
    [InlineData(CentralSignature, 30, 2, 4, "")]
    [InlineData(CentralSignature, 34, 2, 1, "several parts")]
    [InlineData(CentralSignature, 42, 4, 1, "another header")]
    [InlineData(CentralSignature, 42, 4, 0x7FFFFFFF, "outside of the entries")]
    [InlineData(CentralSignature, 46, 1, 0xFF, "not UTF-8")]
    [InlineData(CentralSignature, 46, 1, 'b', "another header")]
    [InlineData(LocalSignature, 6, 2, 0x0800, "another header")]
    [InlineData(LocalSignature, 8, 2, 8, "another header")]
    [InlineData(LocalSignature, 18, 4, 1, "1 bytes here")]
    [InlineData(LocalSignature, 22, 4, 1, "1 bytes here")]
    [InlineData(LocalSignature, 26, 2, 1, "another header")]
    [InlineData(LocalSignature, 28, 2, 0xFFFF, "does not fit before the directory")]
    public void Load_DamagedHeader_IsRefused(int signature, int field, int width, int value, string message)
    {
        var file = TorchFile.Small();
        var at = Find(file, signature) + field;
        if (width == 1)
            file[at] = (byte)value;
        else if (width == 2)
            BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), (ushort)value);
        else
            BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), value);
        Assert.Contains(message, TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_OverlappingEntries_AreRefused()
    {
        // The header of a whole second entry lies within the bytes of the first.
        var inner = TorchFile.Zip([("a/in", "xyz"u8.ToArray())], CompressionLevel.NoCompression);
        var file = TorchFile.Zip([("a/data.pkl", inner[..Find(inner, CentralSignature)]), ("a/in", "xyz"u8.ToArray())], CompressionLevel.NoCompression);
        var second = Find(file, CentralSignature, 1);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(second + 42), Find(file, LocalSignature, 1));
        Assert.Contains("overlap", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(100)]
    public void Load_CutOffFile_IsRefused(int missing)
    {
        var file = TorchFile.Small();
        TorchFile.Refused(file[..(missing == 0 ? 0 : file.Length - missing)]);
    }

    [Fact]
    public void Load_AnythingAppended_IsRefused() =>
        Assert.Contains("something was appended", TorchFile.Refused([.. TorchFile.Small(), 0]).Reason, StringComparison.Ordinal);

    [Theory]
    [InlineData(8, 1)]
    [InlineData(10, 1)]
    [InlineData(12, 1)]
    [InlineData(12, 200)]
    [InlineData(16, 1)]
    [InlineData(20, 1)]
    public void Load_DamagedEndRecord_IsRefused(int field, int change)
    {
        var file = TorchFile.Small();
        file[file.Length - 22 + field] += (byte)change;
        TorchFile.Refused(file);
    }

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\n", "Git LFS")]
    [InlineData("<!DOCTYPE html>", "neither")]
    [InlineData("", "neither")]
    [InlineData("\u0080", "neither")]
    public void Load_OtherFiles_AreRefused(string text, string message) =>
        Assert.Contains(message, TorchFile.Refused(System.Text.Encoding.Latin1.GetBytes(text)).Reason, StringComparison.Ordinal);

    private static int Find(byte[] file, int signature, int skip = 0)
    {
        Span<byte> pattern = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(pattern, signature);
        var at = -1;
        do
        {
            at += 1 + file.AsSpan(at + 1).IndexOf(pattern);
        }
        while (skip-- > 0);
        return at;
    }
}
