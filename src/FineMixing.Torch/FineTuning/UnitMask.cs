using FineMixing.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Keeps pruned feed-forward units at zero while the rest is trained (fine-pruning (F)).</summary>
internal static class UnitMask
{
    public static void Zero(ParameterStore store, PrunedUnits pruned)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        for (var i = 0; i < pruned.PerLayer.Length; i++)
        {
            if (pruned.PerLayer[i].IsEmpty)
                continue;
            var units = tensor(pruned.PerLayer[i].Select(u => (long)u).ToArray(), device: store.Device);
            var layer = store.Layers[i];
            Zero(store, layer.Intermediate, 0, units);
            Zero(store, layer.IntermediateBias, 0, units);
            Zero(store, layer.Output, 1, units);
        }
    }

    private static void Zero(ParameterStore store, ParameterBlock block, long dimension, Tensor units)
    {
        store.MasterView(block).index_fill_(dimension, units, 0);
        if (store.LowPrecision)
            block.Leaf.detach().index_fill_(dimension, units, 0);
    }
}
