namespace FineMixing.Tools.EmbeddedModel;

/// <summary>A folder that is removed on disposal.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("finemixing-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
