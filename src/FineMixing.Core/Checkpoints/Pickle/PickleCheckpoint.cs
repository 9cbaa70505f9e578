using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>A PyTorch checkpoint (<c>.bin</c>, <c>.pt</c>, <c>.pth</c>, <c>.ckpt</c>), single or sharded, read without running the program a pickle is.</summary>
/// <remarks>
/// Read are the zip format of PyTorch 1.6 and later and the legacy format before it, little-endian. A state dict may be the file's object itself or
/// lie under <c>state_dict</c>, <c>model_state_dict</c> or <c>model</c>; entries that are not tensors are ignored and said in the log.
/// Names are kept as they are (a <c>module.</c> prefix too). Contiguous tensors are read from the file in place; views, transposed, strided and expanded ones
/// are put into row-major order, a whole tensor at a time. Limits are in <c>docs/checkpoints.md</c>.
/// </remarks>
public sealed class PickleCheckpoint : ICheckpoint
{
    /// <summary>The name of an unsharded checkpoint in a model's folder.</summary>
    public const string FileName = "pytorch_model.bin";

    /// <summary>The name of a sharded checkpoint's index in a model's folder.</summary>
    public const string IndexName = "pytorch_model.bin.index.json";

    private const string IndexSuffix = ".index.json";
    private const long CacheBytes = 64 << 20;

    private readonly List<ByteSource> _sources = [];
    private readonly List<TensorInfo> _infos = [];
    private readonly Dictionary<string, PickleTensorView> _views = new(StringComparer.Ordinal);

    private readonly TensorCache _rowMajor = new(CacheBytes);

    private PickleCheckpoint(string location) => Location = location;

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files { get; private init; } = [];

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors => _infos;

    /// <summary>Always empty: what a PyTorch file says besides its tensors is not read.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>Opens a checkpoint.</summary>
    /// <param name="path">A file, an index (<c>*.index.json</c>), or a folder with <see cref="FileName"/> or else <see cref="IndexName"/>.</param>
    /// <param name="logger">Told which entries were ignored; null: nobody.</param>
    /// <exception cref="FileNotFoundException">There is no such file or folder, or nothing to read in the folder.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <exception cref="CheckpointFormatException">A file is damaged, hostile, or not a state dict.</exception>
    public static PickleCheckpoint Open(string path, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        logger ??= NullLogger.Instance;
        var file = path;
        if (Directory.Exists(path))
        {
            file = Array.Find([Path.Combine(path, FileName), Path.Combine(path, IndexName)], File.Exists)
                ?? throw new FileNotFoundException($"The folder '{path}' has neither '{FileName}' nor '{IndexName}'.", path);
        }

        return file.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase) ? OpenSharded(path, Path.GetFullPath(file), logger) : OpenSingle(path, Path.GetFullPath(file), logger);
    }

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = _views.TryGetValue(name, out var view) ? view.Info : null;
        return tensor is not null;
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The tensor is not one of this checkpoint, or the range is not within it.</exception>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_views.TryGetValue(tensor.Name, out var view))
            throw new ArgumentException($"{Location} has no tensor '{tensor.Name}'.", nameof(tensor));
        if (byteOffset < 0 || byteOffset > view.Info.ByteLength - destination.Length)
            throw new ArgumentException($"Bytes {byteOffset} to {byteOffset + destination.Length} are not within the {view.Info.ByteLength} bytes of tensor '{tensor.Name}'.", nameof(byteOffset));
        if (view.IsContiguous)
            view.ReadContiguous(byteOffset, destination);
        else if (destination.Length == view.Info.ByteLength)
            view.ReadStrided(destination);
        else
            RowMajor(view).AsSpan((int)byteOffset, destination.Length).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void EnsureUnchanged() => _sources.ForEach(s => s.EnsureUnchanged());

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var source in _sources)
            source.Dispose();
    }

    /// <summary>Opens a file whose bytes are at hand.</summary>
    internal static PickleCheckpoint Open(ByteSource source, ILogger? logger = null)
    {
        var checkpoint = new PickleCheckpoint(source.Name);
        checkpoint.Add(source, logger ?? NullLogger.Instance);
        return checkpoint;
    }

    private static PickleCheckpoint OpenSingle(string location, string file, ILogger logger)
    {
        var checkpoint = new PickleCheckpoint(location) { Files = [file] };
        return checkpoint.OrDispose(c => c.Add(new FileBytes(file), logger));
    }

    private static PickleCheckpoint OpenSharded(string location, string indexPath, ILogger logger)
    {
        var index = ShardIndex.Read(indexPath);
        var files = index.Shards.Select(index.Locate).ToArray();
        var checkpoint = new PickleCheckpoint(location) { Files = [index.Path, .. files] };
        return checkpoint.OrDispose(c =>
        {
            foreach (var (shard, file) in index.Shards.Zip(files))
                index.CheckShard(shard, [.. c.Add(new FileBytes(file), logger).Select(v => v.Info)]);
        });
    }

    private PickleCheckpoint OrDispose(Action<PickleCheckpoint> fill)
    {
        try
        {
            fill(this);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private List<PickleTensorView> Add(ByteSource source, ILogger logger)
    {
        _sources.Add(source);
        var views = PickleFile.Read(source, logger);
        foreach (var view in views)
        {
            if (!_views.TryAdd(view.Info.Name, view))
                throw new CheckpointFormatException("another shard has a tensor of this name too", source.Name, tensor: view.Info.Name);
            _infos.Add(view.Info);
        }

        return views;
    }

    private byte[] RowMajor(PickleTensorView view) => _rowMajor.GetOrAdd(view.Info.Name, () =>
    {
        if (view.Info.ByteLength > Array.MaxLength)
            throw new CheckpointFormatException("a tensor of over 2 GB is not contiguous; call .contiguous() before saving it", Location, tensor: view.Info.Name);
        var bytes = GC.AllocateUninitializedArray<byte>((int)view.Info.ByteLength);
        view.ReadStrided(bytes);
        return new HostTensor(view.Info, bytes);
    }).Bytes;
}
