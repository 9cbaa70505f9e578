using FineMixing.Provenance;

namespace FineMixing.Tests.Provenance;

public class HashChainTests
{
    [Fact]
    public void TryAdvance_PieceByPiece_GivesTheHashOfTheWhole()
    {
        using var folder = new TemporaryFolder();
        var path = folder["data"];
        var bytes = new byte[10_000];
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes(path, bytes);
        using var chain = HashChain.Open(path);
        var pieces = 0;
        while (chain.TryAdvance(long.MaxValue, new byte[777]))
            pieces++;
        Assert.Equal(13, pieces);
        Assert.Equal(HashedFile.Of(path), chain.ToHashedFile());
    }

    [Fact]
    public void TryAdvance_Limit_StopsThere()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["data"], new byte[1000]);
        using var chain = HashChain.Open(folder["data"]);
        Assert.True(chain.TryAdvance(300, new byte[4096]));
        Assert.Equal(700, chain.Left);
        Assert.False(chain.TryAdvance(300, new byte[4096]));
        Assert.False(chain.TryAdvance(-5, new byte[4096]));
        Assert.False(chain.TryAdvance(-3_000_000_000, new byte[4096]), "The file behind shards of several gigabytes is not begun yet.");
        Assert.Throws<InvalidOperationException>(() => chain.ToHashedFile());
    }

    [Fact]
    public void TryAdvance_FileCutOff_Throws()
    {
        using var folder = new TemporaryFolder();
        using var file = File.OpenHandle(folder["data"], FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read);
        RandomAccess.Write(file, new byte[1000], 0);
        using var chain = new HashChain("data", file, 1000);
        RandomAccess.SetLength(file, 0);
        Assert.Contains("shorter", Assert.Throws<IOException>(() => chain.TryAdvance(long.MaxValue, new byte[10])).Message, StringComparison.Ordinal);
    }
}
