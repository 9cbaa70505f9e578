namespace FineMixing.Checkpoints;

/// <summary>Keeps the tensors last worked out, up to a number of bytes (but always one), for readers that come back chunk by chunk. Safe for several threads.</summary>
internal sealed class TensorCache(long capacityBytes)
{
    private readonly Lock _lock = new();
    private readonly List<(string Name, HostTensor Tensor)> _tensors = [];

    /// <summary>The tensor, worked out now unless it is kept.</summary>
    public HostTensor GetOrAdd(string name, Func<HostTensor> create)
    {
        lock (_lock)
        {
            var found = _tensors.Find(t => t.Name == name);
            if (found.Tensor is not null)
                return found.Tensor;
            var tensor = create();
            _tensors.Add((name, tensor));
            while (_tensors.Count > 1 && _tensors.Sum(t => t.Tensor.Info.ByteLength) > capacityBytes)
                _tensors.RemoveAt(0);
            return tensor;
        }
    }
}
