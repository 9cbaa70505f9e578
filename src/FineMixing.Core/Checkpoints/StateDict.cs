using System.Diagnostics.CodeAnalysis;

namespace FineMixing.Checkpoints;

/// <summary>All tensors of a model in memory, by name, in a fixed order.</summary>
public sealed class StateDict : ICheckpoint
{
    private readonly List<TensorInfo> _infos = [];
    private readonly Dictionary<string, HostTensor> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    /// <summary>An empty state dict.</summary>
    /// <param name="location">A description for messages.</param>
    public StateDict(string location = "memory") => Location = location;

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [];

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors => _infos;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public HostTensor this[string name] => _tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new KeyNotFoundException($"{Location} has no tensor '{name}'.");

    /// <summary>Reads every tensor of a checkpoint into memory.</summary>
    public static StateDict Load(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        var result = new StateDict(checkpoint.Location);
        foreach (var (key, value) in checkpoint.Metadata)
            result._metadata[key] = value;
        foreach (var info in checkpoint.Tensors)
        {
            var bytes = GC.AllocateUninitializedArray<byte>(checked((int)info.ByteLength));
            checkpoint.Read(info, 0, bytes);
            result.Add(new HostTensor(info, bytes));
        }

        return result;
    }

    /// <summary>Adds a tensor.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void Add(HostTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_tensors.TryAdd(tensor.Info.Name, tensor))
            throw new ArgumentException($"{Location} already has a tensor '{tensor.Info.Name}'.", nameof(tensor));
        _infos.Add(tensor.Info);
    }

    /// <summary>Replaces the tensor of the same name, keeping its place.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public void Replace(HostTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        _ = this[tensor.Info.Name];
        _tensors[tensor.Info.Name] = tensor;
        _infos[_infos.FindIndex(i => i.Name == tensor.Info.Name)] = tensor.Info;
    }

    /// <summary>Finds a tensor by its exact name.</summary>
    public bool TryGetValue(string name, [NotNullWhen(true)] out HostTensor? tensor) => _tensors.TryGetValue(name, out tensor);

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = _tensors.TryGetValue(name, out var found) ? found.Info : null;
        return tensor is not null;
    }

    /// <inheritdoc/>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        this[tensor.Name].Bytes.AsSpan(checked((int)byteOffset), destination.Length).CopyTo(destination);
    }

    /// <summary>A copy that shares no memory with this one.</summary>
    public StateDict Clone()
    {
        var copy = new StateDict(Location);
        foreach (var info in _infos)
            copy.Add(new HostTensor(info, (byte[])_tensors[info.Name].Bytes.Clone()));
        return copy;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Managed memory only; part of the contract of ICheckpoint.
    }
}
