using FineMixing.Checkpoints;
using FineMixing.Provenance;

namespace FineMixing.Tests.Checkpoints;

public class OutputTransactionTests
{
    [Fact]
    public void Create_Refused_NamesTheFile()
    {
        using var folder = new TemporaryFolder();
        using (var output = new OutputTransaction(folder.Path, overwrite: false, (_, _) => throw new IOException("too large for the file system")))
        {
            var e = Assert.Throws<IOException>(() => output.Create("model.safetensors", 12));
            Assert.Equal($"'{folder["model.safetensors"]}' of 12 bytes cannot be created: too large for the file system", e.Message);
        }

        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Commit_SeveralFiles_AppearTogether()
    {
        using var folder = new TemporaryFolder();
        using var output = new OutputTransaction(folder["new"], overwrite: false);
        output.Add("a", "1"u8);
        var handle = output.Create("b", 3);
        RandomAccess.Write(handle, "xyz"u8, 0);
        Assert.All(Directory.EnumerateFiles(folder["new"]), f => Assert.EndsWith(".tmp", f, StringComparison.Ordinal));
        Assert.Equal([new HashedFile("a", 1, Sha256Of("1")), new HashedFile("b", 3, Sha256Of("xyz"))], output.HashFiles());
        output.Commit();
        Assert.Equal(["a", "b"], Directory.EnumerateFiles(folder["new"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("xyz", File.ReadAllText(folder.PathOf("new", "b")));
    }

    [Fact]
    public void Dispose_WithoutCommit_LeavesTheDiskAsItWas()
    {
        using var folder = new TemporaryFolder();
        using (var output = new OutputTransaction(folder["new"], overwrite: false))
            output.Add("a", "1"u8);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Dispose_FoldersAbove_AreRemovedAsFarAsTheyWereMade()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["there"]);
        using (var output = new OutputTransaction(folder.PathOf("there", "a", "b", "c"), overwrite: false))
            output.Add("x", "1"u8);
        Assert.Equal(["there"], folder.Names);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder["there"]));
    }

    [Fact]
    public void Dispose_FolderThatWasThere_StaysThere()
    {
        using var folder = new TemporaryFolder();
        using (var output = new OutputTransaction(folder.Path, overwrite: false))
            output.Add("a", "1"u8);
        Assert.True(Directory.Exists(folder.Path));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Commit_Cancelled_LeavesTheTargetUntouched()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a"], "old");
        using (var output = new OutputTransaction(folder.Path, overwrite: true))
        {
            output.Add("a", "new"u8);
            Assert.Throws<OperationCanceledException>(() => output.Commit(["a"], new CancellationToken(canceled: true)));
        }

        Assert.Equal(["a"], folder.Names);
        Assert.Equal("old", File.ReadAllText(folder["a"]));
    }

    [Fact]
    public void Commit_TargetAppearedMeanwhile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        using (var output = new OutputTransaction(folder.Path, overwrite: false))
        {
            output.Add("a", "mine"u8);
            File.WriteAllText(folder["a"], "theirs");
            Assert.Throws<IOException>(() => output.Commit());
        }

        Assert.Equal("theirs", File.ReadAllText(folder["a"]));
        Assert.Equal(["a"], folder.Names);
    }

    [Fact]
    public void Create_ExistingTarget_IsRefusedUnlessAsked()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a"], "old");
        using (var output = new OutputTransaction(folder.Path, overwrite: false))
            Assert.Contains(folder["a"], Assert.Throws<IOException>(() => output.Create("a", 1)).Message, StringComparison.Ordinal);
        using (var output = new OutputTransaction(folder.Path, overwrite: true))
        {
            output.Add("a", "new"u8);
            output.Commit();
        }

        Assert.Equal("new", File.ReadAllText(folder["a"]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("../a")]
    [InlineData("sub/a")]
    [InlineData("/etc/a")]
    public void Create_NotABareName_IsRefused(string name)
    {
        using var folder = new TemporaryFolder();
        using var output = new OutputTransaction(folder.Path, overwrite: false);
        Assert.Throws<ArgumentException>(() => output.Create(name, 1));
    }

    private static string Sha256Of(string text) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)));
}
