using FineMixing.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Keeps pruned feed-forward units at zero while the rest is trained (fine-pruning (F)).</summary>
internal sealed class UnitMask : IDisposable
{
    private readonly ParameterStore _store;
    private readonly List<(LayerBlocks Layer, Tensor Units)> _pruned = [];

    /// <summary>Copies the units' indices to the device, once.</summary>
    /// <exception cref="ArgumentException">The model has no such units.</exception>
    public UnitMask(ParameterStore store, PrunedUnits pruned)
    {
        pruned.Check(store.Config.Layers, store.Config.IntermediateSize);
        _store = store;
        for (var i = 0; i < pruned.PerLayer.Length; i++)
        {
            if (!pruned.PerLayer[i].IsEmpty)
                _pruned.Add((store.Layers[i], tensor(pruned.PerLayer[i].Select(u => (long)u).ToArray(), device: store.Device).DetachFromDisposeScope()));
        }
    }

    /// <summary>Puts the units' weights and biases back to zero.</summary>
    public void Apply()
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        foreach (var (layer, units) in _pruned)
        {
            Zero(layer.Intermediate, 0, units);
            Zero(layer.IntermediateBias, 0, units);
            Zero(layer.Output, 1, units);
        }
    }

    public void Dispose()
    {
        foreach (var (_, units) in _pruned)
            units.Dispose();
    }

    private void Zero(ParameterBlock block, long dimension, Tensor units)
    {
        _store.MasterView(block).index_fill_(dimension, units, 0);
        if (_store.LowPrecision)
            block.Leaf.detach().index_fill_(dimension, units, 0);
    }
}
